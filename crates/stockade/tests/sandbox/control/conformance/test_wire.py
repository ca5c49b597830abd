"""What goes over the wire, whatever the method."""

import json
import os
import socket
import stat

from wire import Case


class Wire(Case):
    def test_answers_are_byte_for_byte(self):
        for call, answer in [
            ('{"method":"No.Such","arg":{}}', '{"success":false,"err":"unknown method","result":null}'),
            ('{"method":"containerManager.Resume"}', '{"success":true,"err":"","result":{}}'),
            ('{"method":"Logging.Change","arg":{}}', '{"success":true,"err":"","result":0}'),
        ]:
            self.client.send(call)
            self.assertEqual(self.client.socket.recv(65536).decode(), answer)

    def test_the_socket_is_the_owners_alone(self):
        mode = os.stat(self.box.socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_others_are_refused(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be somebody else")
        answers, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(answers)
            try:
                # What keeps it out is more than modes.
                os.chdir(os.path.dirname(self.box.socket))
                for path in [self.box.socket, os.path.dirname(self.box.socket)]:
                    os.chmod(path, 0o777)
                client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                os.setgid(12345)
                os.setuid(12345)
                client.connect("control.sock")
                client.settimeout(20)
                try:
                    client.sendall(b'{"method":"No.Such"}')
                    os.write(told, client.recv(100) or b"closed")
                except (BrokenPipeError, ConnectionResetError):
                    os.write(told, b"closed")
            except BaseException as e:
                os.write(told, repr(e).encode())
            finally:
                os._exit(0)
        os.close(told)
        os.waitpid(child, 0)
        os.chmod(self.box.socket, 0o600)
        os.chmod(os.path.dirname(self.box.socket), 0o700)
        self.assertEqual(os.read(answers, 1000), b"closed")
        os.close(answers)

    def test_absent_null_and_unknown(self):
        for arg in ["", ',"arg":null', ',"arg":{}', ',"arg":{"JSON":null,"More":[{"x":1}]}', ',"arg":{"JSON":false}']:
            answer = self.client.raw('{"method":"Proc.Ps"' + arg + "}")
            self.assertTrue(answer["result"].startswith("UID"), answer)
        answer = self.client.raw('{"more":1,"arg":{"JSON":true},"method":"Proc.Ps"}')
        self.assertEqual(json.loads(answer["result"])[0]["pid"], 1)

    def test_numbers_that_fit_are_taken(self):
        for number in ["31000", "3.1e4", "31000.0", "310e2"]:
            answer = self.client.raw('{"method":"containerManager.Signal","arg":{"Signo":10,"PID":%s}}' % number)
            self.assertEqual(answer["errno"], 3, answer)
            self.assertIn("process 31000", answer["err"])
        for number in ["0.5", "1e10", "-2147483649", '"1"', "true", "[1]", "{}"]:
            answer = self.client.raw('{"method":"containerManager.Signal","arg":{"Signo":10,"PID":%s}}' % number)
            self.assertFalse(answer["success"], number)
            self.assertNotIn("errno", answer)

    def test_what_is_no_call(self):
        self.assertIn("method", self.client.raw("{}")["err"])
        self.assertIn("cannot be understood", self.client.raw('{"method":}')["err"])
        self.assertIn("cannot be understood", self.client.raw(b'{"method":"\xff\xfe"}')["err"])
        self.assertEqual(self.client.raw('{"method":""}')["err"], "unknown method")
        # The connection goes on.
        self.result("Proc.Ps")
        for text, why in [("[]", "JSON object"), ("x", "JSON object"), ('{"a":' + "[" * 10000, "nested too deep")]:
            client = self.box.connect()
            self.assertIn(why, client.raw(text)["err"])
            self.assertEqual(client.socket.recv(1), b"")
            client.close()

    def test_descriptors(self):
        null = os.open("/dev/null", os.O_RDONLY)
        self.assertEqual(self.client.call("No.Such", files=[null] * 128)["err"], "unknown method")
        greedy = self.box.connect()
        self.assertEqual(greedy.call("No.Such", files=[null] * 129)["err"], "too many files")
        greedy.close()
        os.close(null)
        self.result("Proc.Ps")

    def test_calls_of_one_connection_are_answered_in_order(self):
        self.client.send('{"method":"No.Such"}{"method":"containerManager.Resume"} \n{"method":"Logging.Change"}')
        data = b""
        wanted = b'{"success":false,"err":"unknown method","result":null}'
        wanted += b'{"success":true,"err":"","result":{}}{"success":true,"err":"","result":0}'
        while len(data) < len(wanted):
            data += self.client.socket.recv(65536)
        self.assertEqual(data, wanted)
