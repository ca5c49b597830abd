# stockade_stub_launch(rdi: namespace flags, esi: code fd, edx: control fd, ecx: socket, r8: *mut i64) -> rax
#
# Makes the zygote. A first child, which shares our memory while we wait (vfork), makes the second and ends: so the
# second has nothing of what the C library registered with the host for this thread (rseq). The second needs no stack and
# no memory but this code; it maps the stub's pieces over whatever lies there and enters the helper. Returns the first
# child's PID, to be reaped, or a negated errno; the second's goes to where r8 points.

    .pushsection .text.stockade_stub_launch, "ax", @progbits
    .globl stockade_stub_launch
    .hidden stockade_stub_launch
    .type stockade_stub_launch, @function
stockade_stub_launch:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov rbx, rdi
    mov r12d, esi
    mov r13d, edx
    mov r14d, ecx
    mov rbp, r8
    mov edi, {share_flags}
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    mov eax, {nr_clone}
    syscall
    test rax, rax
    jnz 9f

    mov rdi, rbx
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    mov eax, {nr_clone}
    syscall
    test rax, rax
    jz 2f
    mov [rbp], rax
    xor edi, edi
    mov eax, {nr_exit}
    syscall
    ud2

2:  movabs rdi, {code}
    mov esi, {code_size}
    mov edx, 5                      # PROT_READ | PROT_EXEC
    mov r10d, 0x11                  # MAP_SHARED | MAP_FIXED
    mov r8d, r12d
    xor r9d, r9d
    mov eax, {nr_mmap}
    syscall
    cmp rax, rdi
    jne 8f
    movabs rdi, {control}
    mov esi, 4096
    mov edx, 1                      # PROT_READ
    mov r10d, 0x11
    mov r8d, r13d
    xor r9d, r9d
    mov eax, {nr_mmap}
    syscall
    cmp rax, rdi
    jne 8f
    movabs rdi, {scratch}
    mov esi, {scratch_size}
    mov edx, 3                      # PROT_READ | PROT_WRITE
    mov r10d, 0x32                  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    mov r8d, -1
    xor r9d, r9d
    mov eax, {nr_mmap}
    syscall
    cmp rax, rdi
    jne 8f
    mov edi, r14d
    xor esi, esi
    mov eax, {nr_dup2}
    syscall
    test eax, eax
    jnz 8f
    mov edi, 1
    mov esi, -1
    xor edx, edx
    mov eax, {nr_close_range}
    syscall
    movabs rax, {code}
    jmp rax
8:  mov edi, 1
    mov eax, {nr_exit_group}
    syscall
    ud2

9:  pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    .popsection
