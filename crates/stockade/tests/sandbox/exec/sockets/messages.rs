//! Messages: datagrams, sequenced packets, and what must not go with any.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, send,
    sendmsg, socketpair,
};

use super::python;
use crate::control::Live;

#[test]
fn datagrams_keep_their_boundaries() {
    let live = Live::idle();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    for message in [&b"first"[..], b"second", b"third", b"", &[7; 100_000]] {
        ours.send(message).unwrap();
    }
    let script = "
print(s.type.name, s.recv(2, MSG_PEEK), s.recvmsg(2)[::2], s.recv(2))
buffer = bytearray(2)
print(s.recv_into(buffer, 2, MSG_TRUNC), buffer, s.recv(9), len(s.recv(1 << 20)))
print(code(s.recv, 9, MSG_DONTWAIT), code(s.sendto, b'x', '/tmp/x'), code(s.send, bytes(1 << 20)))
s.send(b'back')
s.send(b'')
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(
        text,
        "SOCK_DGRAM b'fi' (b'fi', 32) b'se'\n5 bytearray(b'th') b'' 100000\nEAGAIN EPERM EMSGSIZE\n"
    );
    let mut bytes = [0; 9];
    assert_eq!((ours.recv(&mut bytes).unwrap(), &bytes[..4]), (4, &b"back"[..]));
    assert_eq!(ours.recv(&mut bytes).unwrap(), 0);
}

#[test]
fn sequenced_packets_do_and_end() {
    let live = Live::idle();
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let (ours, theirs) = pair;
    for message in [&b"one"[..], b"two"] {
        send(&ours, message, SendFlags::empty()).unwrap();
    }
    drop(ours);
    let script = "
print(s.type.name, s.recv(9), s.recv(1), s.recv(9), code(s.send, b'x'))
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(text, "SOCK_SEQPACKET b'one' b't' b'' EPIPE\n");
}

/// A UDP socket could reach any host: it reaches the one that its owner connected it with.
#[test]
fn udp_reaches_nobody_new() {
    let live = Live::idle();
    let (ours, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let port = other.local_addr().unwrap().port();
    ours.send_to(b"asked", theirs.local_addr().unwrap()).unwrap();
    let script = format!(
        "
print(s.recvfrom(9))
print(code(s.send, b'x'), code(s.sendto, b'x', ('127.0.0.1', {port})), code(s.connect, ('127.0.0.1', {port})))
print(code(s.sendmsg, [b'x'], [], 0, ('127.0.0.1', {port})), code(s.setsockopt, SOL_SOCKET, SO_BROADCAST, 1))
"
    );
    let text = python(&mut live.connect(), &script, &[theirs.as_fd()], || {});
    let from = ours.local_addr().unwrap().port();
    assert_eq!(
        text,
        format!("(b'asked', ('127.0.0.1', {from}))\nEDESTADDRREQ EPERM EPERM\nEPERM ENOPROTOOPT\n")
    );
    theirs.connect(ours.local_addr().unwrap()).unwrap();
    let script = format!("s.send(b'answer')\nprint(code(s.sendto, b'x', ('127.0.0.1', {port})))\n");
    assert_eq!(python(&mut live.connect(), &script, &[theirs.as_fd()], || {}), "EPERM\n");
    let mut bytes = [0; 9];
    assert_eq!((ours.recv(&mut bytes).unwrap(), &bytes[..6]), (6, &b"answer"[..]));
    assert_eq!(other.recv(&mut bytes).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn descriptors_neither_come_nor_go() {
    let live = Live::idle();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [writer.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
    sendmsg(&ours, &[IoSlice::new(b"take")], &mut control, SendFlags::empty()).unwrap();
    drop(writer);
    let script = "
before = os.listdir('/proc/self/fd')
data, control, flags, _ = s.recvmsg(9, 100)
print(data, control, flags == MSG_CTRUNC, os.listdir('/proc/self/fd') == before)
rights = (SOL_SOCKET, SCM_RIGHTS, array.array('i', [0]))
creds = (SOL_SOCKET, SCM_CREDENTIALS, struct.pack('iII', os.getpid(), os.getuid(), os.getgid()))
print(code(s.sendmsg, [b'x'], [rights]), code(s.sendmsg, [b'x'], [creds]), s.sendmsg([b'a', b'', b'b']))
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(text, "b'take' [] True True\nEPERM EPERM 2\n");
    // Nobody has kept it.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    drop(theirs);
    let mut sent = Vec::new();
    ours.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, b"ab");
}
