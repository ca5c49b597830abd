//! Bytes without boundaries: UNIX and TCP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::python;
use crate::control::Live;

#[test]
fn a_stream_is_a_socket() {
    let live = Live::idle();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let script = "
print(s.family.name, s.type.name, s.proto, stat.S_ISSOCK(os.fstat(3).st_mode))
print(os.readlink('/proc/self/fd/3') == 'socket:[%d]' % os.fstat(3).st_ino)
print(code(s.recv, 1, MSG_DONTWAIT), select.select([s], [s], [], 0)[0] == [])
s.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack('ll', 0, 20000))
print(code(s.recv, 1), s.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16) == struct.pack('ll', 0, 20000))
s.setsockopt(SOL_SOCKET, SO_RCVTIMEO, bytes(16))
s.send(b'hello')
print(s.recv(3, MSG_PEEK), s.recv(6, MSG_WAITALL))
poll = select.epoll()
poll.register(s, select.EPOLLIN | select.EPOLLRDHUP)
s.send(b'more')
print(poll.poll(20) == [(3, select.EPOLLIN)], s.recv(9))
s.shutdown(SHUT_WR)
print(code(s.send, b'x', MSG_NOSIGNAL))
print(s.recv(9), poll.poll(20) == [(3, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP)])
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {
        let mut bytes = [0; 5];
        ours.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        // So that all of what is waited for comes later.
        ours.write_all(b"abc").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        ours.write_all(b"def").unwrap();
        ours.read_exact(&mut bytes[..4]).unwrap();
        ours.write_all(b"rest").unwrap();
        assert_eq!(ours.read(&mut bytes).unwrap(), 0, "it has shut its side");
        drop(ours);
    });
    assert_eq!(
        text,
        "AF_UNIX SOCK_STREAM 0 True\nTrue\nEAGAIN True\nEAGAIN True\nb'abc' b'abcdef'\nTrue b'rest'\nEPIPE\nb'' True\n"
    );
}

#[test]
fn its_options_are_few_and_bounded() {
    let live = Live::idle();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = "
def option(name, level=SOL_SOCKET):
    try:
        return s.getsockopt(level, name)
    except OSError as e:
        return errno.errorcode[e.errno]
print(option(SO_TYPE), option(SO_ERROR), option(SO_ACCEPTCONN), option(SO_KEEPALIVE))
s.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192)
s.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 30)
print(option(SO_SNDBUF), option(SO_RCVBUF) <= 2 * 212992)
pid, uid, gid = struct.unpack('iII', s.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
print(pid, uid == os.fstat(3).st_uid)
for name in SO_PASSCRED, SO_BINDTODEVICE, SO_MARK, SO_REUSEADDR, SO_LINGER:
    print(code(s.setsockopt, SOL_SOCKET, name, bytes(8)), option(name), end=' ')
print(code(s.setsockopt, IPPROTO_TCP, TCP_NODELAY, 1))
print(repr(s.getsockname()), repr(s.getpeername()))
print(code(s.bind, '/tmp/x'), code(s.connect, '/tmp/x'), code(s.listen), code(s.accept), code(s.sendto, b'x', '/tmp/x'))
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(
        text,
        format!(
            "1 0 0 0\n16384 True\n0 True\n{}ENOTSUP\n'' ''\nEACCES EISCONN ENOTSUP EINVAL EISCONN\n",
            "ENOPROTOOPT ENOPROTOOPT ".repeat(5)
        )
    );
    drop(ours);
}

#[test]
fn writing_to_nobody_is_a_signal() {
    let live = Live::idle();
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let script = "
told = []
signal.signal(signal.SIGPIPE, lambda *_: told.append(1))
def count():
    return len(told)
print(code(s.send, b'x', MSG_NOSIGNAL), count())
print(code(s.send, b'x'), count())
print(code(os.write, 3, b'x'), count())
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(text, "EPIPE 0\nEPIPE 1\nEPIPE 2\n");
}

#[test]
fn much_goes_both_ways() {
    let live = Live::idle();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = "
sent = bytes(range(256)) * 8192
s.sendall(sent)
s.shutdown(SHUT_WR)
back = b''
while part := s.recv(1 << 20):
    back += part
print(back == sent)
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {
        let mut all = Vec::new();
        (&ours).read_to_end(&mut all).unwrap();
        (&ours).write_all(&all).unwrap();
        ours.shutdown(std::net::Shutdown::Both).unwrap();
    });
    assert_eq!(text, "True\n");
}

#[test]
fn tcp_connects_the_two_sides_that_it_did() {
    let live = Live::idle();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut ours, peer) = listener.accept().unwrap();
    let script = "
print(s.family.name, s.getsockname(), s.getpeername())
s.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
print(s.getsockopt(IPPROTO_TCP, TCP_NODELAY), code(s.setsockopt, IPPROTO_TCP, TCP_CORK, 1), code(s.setsockopt, IPPROTO_IP, IP_TOS, 1))
print(s.recvfrom(4), s.recv(4))
print(code(s.connect, ('127.0.0.1', 9)), code(s.bind, ('127.0.0.1', 0)), code(s.sendto, b'x', 0x20000000, ('127.0.0.1', 9)))
s.send(b'there')
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {
        ours.write_all(b"herenext").unwrap();
        let mut bytes = [0; 5];
        ours.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"there");
    });
    assert_eq!(
        text,
        format!(
            "AF_INET ('127.0.0.1', {}) ('127.0.0.1', {})\n1 ENOPROTOOPT ENOPROTOOPT\n(b'here', None) b'next'\nEISCONN EACCES EISCONN\n",
            peer.port(),
            listener.local_addr().unwrap().port()
        )
    );
    assert!(theirs.nodelay().unwrap());
}

#[test]
fn a_listener_that_does_not_wait_gives_connections() {
    let live = Live::idle();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A guest cannot be told to wait in the host's accept(2), and O_NONBLOCK is the caller's to set.
    let refused = python(
        &mut live.connect(),
        "print(code(s.accept), s.getsockopt(SOL_SOCKET, SO_ACCEPTCONN))",
        &[listener.as_fd()],
        || {},
    );
    assert_eq!(refused, "ENOTSUP 1\n");
    listener.set_nonblocking(true).unwrap();
    let (mut sync, their_sync) = UnixStream::pair().unwrap();
    let script = "
s.setblocking(False)
print(code(s.accept))
s.setblocking(True)
s.listen(3)
before = os.listdir('/proc/self/fd')
os.write(4, b'x')
for _ in range(2):
    one, peer = s.accept()
    print(one.getpeername() == peer, peer[0], os.fstat(one.fileno()).st_ino != os.fstat(3).st_ino)
    one.sendall(one.recv(9)[::-1])
    one.close()
print(os.listdir('/proc/self/fd') == before)
";
    let text = python(&mut live.connect(), script, &[listener.as_fd(), their_sync.as_fd()], || {
        sync.read_exact(&mut [0]).unwrap();
        for delay in [100, 0] {
            std::thread::sleep(std::time::Duration::from_millis(delay));
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"abc").unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert_eq!(back, b"cba");
        }
    });
    let one = "True 127.0.0.1 True\n";
    assert_eq!(text, format!("EAGAIN\n{one}{one}True\n"));
}
