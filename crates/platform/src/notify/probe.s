# Guest code that makes every call from number r12d up to r13d, with harmless arguments; [rbx] says at which it is. Ends
# by an illegal instruction.

    .pushsection .rodata.stockade_probe, "a", @progbits
    .globl stockade_probe_begin
    .hidden stockade_probe_begin
stockade_probe_begin:
1:  mov [rbx], r12d
    cmp r12d, r13d
    jae 2f
    mov eax, r12d
    mov rdi, -1
    mov rsi, -1
    mov rdx, -1
    mov r10, -1
    mov r8, -1
    mov r9, -1
    syscall
    inc r12d
    jmp 1b
2:  ud2
    .globl stockade_probe_end
    .hidden stockade_probe_end
stockade_probe_end:
    .popsection
