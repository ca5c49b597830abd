# The code of a stub, copied to a fixed address. It lies among constants here, so that nothing of it can be executed in
# the sentry.
#
# The helper keeps everything in registers: rbp code, r14 control page, r15 scratch, rbx current operation,
# r12d operations in the batch, r13d index of the current one. It reads what guests can write only through the host
# kernel, which bounds what that can do.

    .pushsection .rodata.stockade_stub, "a", @progbits
    .balign 4096
    .globl stockade_stub_begin
    .hidden stockade_stub_begin
stockade_stub_begin:

# --- helper -------------------------------------------------------------------------------------------------------------

    .globl stockade_stub_helper
    .hidden stockade_stub_helper
stockade_stub_helper:
    movabs rbp, {code}
    movabs r14, {control}
    movabs r15, {scratch}
    xor esp, esp

20: # Wait for a command. The header is written afresh each time, because guests can write it too.
    xor eax, eax
    mov [r15], rax                  # msg_name
    mov [r15 + 8], rax              # msg_namelen
    lea rcx, [r15 + 64]
    mov [r15 + 16], rcx             # msg_iov
    mov qword ptr [r15 + 24], 1     # msg_iovlen
    lea rcx, [r15 + 128]
    mov [r15 + 32], rcx             # msg_control
    mov qword ptr [r15 + 40], 128   # msg_controllen
    mov [r15 + 48], rax             # msg_flags
    lea rcx, [r15 + 96]
    mov [r15 + 64], rcx             # iov_base
    mov qword ptr [r15 + 72], 1     # iov_len
    xor edi, edi
    mov rsi, r15
    xor edx, edx
    mov eax, {nr_recvmsg}
    syscall
    cmp eax, 1
    je 21f
    cmp eax, -{eintr}
    je 20b
    jmp 90f                         # the sentry is gone, or a guest has spoilt the header
21:

    mov r12d, [r14]
    lea rbx, [r14 + {ops}]
    xor r13d, r13d
30: # Carry out the batch.
    cmp r13d, r12d
    jae 50f
    mov rax, [rbx]
    mov rdi, [rbx + 8]
    mov rsi, [rbx + 16]
    mov rdx, [rbx + 24]
    mov r10, [rbx + 32]
    mov r8, [rbx + 40]
    mov r9, [rbx + 48]
    mov rcx, [rbx + 56]
    test rcx, rcx
    jnz 36f
    cmp rax, {op_atomic}
    je 40f
    syscall
    cmp rax, -4095
    jae 45f
35: add rbx, {op_size}
    inc r13d
    jmp 30b

36: # A new process or thread. From here on the child reads nothing of the batch: its parent may have answered, and been
    # given the next one, before the child first runs.
    cmp rcx, {kind_thread}
    je 37f
    syscall
    cmp rax, -4095
    jae 45f
    test rax, rax
    jz 70f
    jmp 35b
37: syscall
    cmp rax, -4095
    jae 45f
    test rax, rax
    jz 80f
    jmp 60f

40: # An atomic update: rdi address; esi, edx, r10d what to and, xor and add; or, if r9d is set, r8d to compare with and
    # edx to store. The old value goes to the scratch page. A fault comes back by way of the signal handler.
    test r9d, r9d
    jnz 42f
    mov r11d, {attempts}
    mov eax, [rdi]
41: mov ecx, eax
    and ecx, esi
    xor ecx, edx
    add ecx, r10d
    lock cmpxchg [rdi], ecx
    je 43f
    dec r11d
    jnz 41b
    mov eax, -{eagain}
    jmp 45f
42: mov eax, r8d
    lock cmpxchg [rdi], edx
43: mov [r15 + {atomic_result}], eax
    jmp 35b

45: # Failed: the length of the answer says which one and why.
    neg eax
    shl r13d, {reply_shift}
    lea r12d, [r13 + rax + 1]
    jmp 51f
50: mov r12d, 1
51: # Answer, after closing what has been received.
    cmp dword ptr [r14 + 4], 0
    je 52f
    mov edi, 1
    mov esi, -1
    xor edx, edx
    mov eax, {nr_close_range}
    syscall
52: xor edi, edi
    mov rsi, rbp
    mov edx, r12d
    mov r10d, {msg_nosignal}
    xor r8d, r8d
    xor r9d, r9d
    mov eax, {nr_sendto}
    syscall
    jmp 20b

60: # A thread has been made: send its listener as soon as there is one. It runs on this CPU, once we leave it.
    mov r12d, 1000000
61: mov eax, {nr_sched_yield}
    syscall
    xor edi, edi
    lea rsi, [rbp + {listener_message}]
    mov edx, {msg_nosignal}
    mov eax, {nr_sendmsg}
    syscall
    cmp eax, -{ebadf}
    jne 62f
    dec r12d
    jnz 61b
    mov eax, -{eagain}
    jmp 45b
62: mov edi, 1
    mov esi, -1
    xor edx, edx
    mov eax, {nr_close_range}
    syscall
    jmp 20b

70: # A new process: descriptor 1 is the control memory, 2 its socket; r9 still says where its page is. It makes its first
    # guest thread at once; the message with the listener is how the sentry learns of both.
    mov rdi, r14
    mov esi, 4096
    mov edx, 1                      # PROT_READ
    mov r10d, 0x11                  # MAP_SHARED | MAP_FIXED
    mov r8d, 1
    mov eax, {nr_mmap}
    syscall
    cmp rax, r14
    jne 90f
    mov edi, 2
    xor esi, esi
    mov eax, {nr_dup2}
    syscall
    mov edi, 1
    mov esi, -1
    xor edx, edx
    mov eax, {nr_close_range}
    syscall
    xor r13d, r13d
    mov edi, {thread_flags}
    movabs rsi, {first_frame}
    xor r10d, r10d
    xor r8d, r8d
    mov eax, {nr_clone}
    jmp 37b

80: # A new thread, its stack pointer at its signal frame: its own filter first. No memory is believed: program and flags are constants.
    mov edi, 1                      # SECCOMP_SET_MODE_FILTER
    mov esi, {listener_flags}
    lea rdx, [rbp + {guest_program}]
    mov eax, {nr_seccomp}
    syscall
    test eax, eax
    js 88f
    mov rdi, rsp
    xor esi, esi                    # no signal: the start
    jmp 10f

88: xor edi, edi
    mov eax, {nr_exit}
    syscall
    ud2

90: xor edi, edi
    mov eax, {nr_exit_group}
    syscall
    ud2

95: # A fault of the helper's own, during an atomic update: unblock the signal again and say so.
    xor esp, esp
    mov edi, 2                      # SIG_SETMASK
    lea rsi, [rbp + {mask}]
    xor edx, edx
    mov r10d, 8
    mov eax, {nr_rt_sigprocmask}
    syscall
    mov eax, -{efault}
    jmp 45b

    .globl stockade_stub_helper_end
    .hidden stockade_stub_helper_end
stockade_stub_helper_end:

# --- guest threads ------------------------------------------------------------------------------------------------------

    .globl stockade_stub_handler
    .hidden stockade_stub_handler
stockade_stub_handler:              # edi signal, rsi siginfo, rdx ucontext, rsp frame
    movabs rcx, {helper_stack}
    mov rax, rsp
    sub rax, rcx
    cmp rax, {slot_size}
    jb 95b
    mov esi, edi
    mov rdi, rsp
    rdfsbase rdx
    rdgsbase r10
10: # Stopped: rdi frame, esi signal, rdx and r10 segment bases.
    mov eax, {stop_call}
    syscall
    .globl stockade_stub_stopped
    .hidden stockade_stub_stopped
stockade_stub_stopped:
    test al, {resume_exit}
    jnz 12f
    test al, {resume_bases}
    jz 11f
    mov rdx, [rdi - 16]
    wrfsbase rdx
    mov rdx, [rdi - 8]
    wrgsbase rdx
11: lea rsp, [rdi + 8]
    mov eax, {nr_rt_sigreturn}
    .globl stockade_stub_restorer
    .hidden stockade_stub_restorer
stockade_stub_restorer:
    syscall
    .globl stockade_stub_sigreturn
    .hidden stockade_stub_sigreturn
stockade_stub_sigreturn:            # the native rt_sigreturn ends here
    ud2
12: xor edi, edi
    mov eax, {nr_exit}
    syscall
    .globl stockade_stub_exit
    .hidden stockade_stub_exit
stockade_stub_exit:                 # the native exit ends here
    ud2

    .globl stockade_stub_end
    .hidden stockade_stub_end
stockade_stub_end:
    .popsection
