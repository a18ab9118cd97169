"""Attacks on the machine from within a worker, for programs that got past the check.

Each is the body of a module. `TARGET` is a folder of the user's, with `victim`, a file that holds
"SECRET", `library.so`, `folder/inner`, and `inbox`, a socket that takes datagrams; `PORT` is where
somebody listens by TCP and UDP; `SLEEPER` and `PARENT` are other processes. An attack has worked if
the folder changed, somebody was called, the sleeper was disturbed, or an exception says SECRET.
"""

ATTACKS = {
    # Files.
    "open": 'open("TARGET/pwned", "w").write("x")',
    "append": 'open("TARGET/victim", "a").write("x")',
    "os.open": 'os.close(os.open("TARGET/pwned", os.O_WRONLY | os.O_CREAT))',
    "relative to a folder": """
folder = os.open("TARGET", os.O_RDONLY)
os.close(os.open("pwned", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
""",
    "torch.save": 'torch.save(torch.ones(2), "TARGET/pwned")',
    "tofile": 'torch.ones(2).numpy().tofile("TARGET/pwned")',
    "numpy.memmap": 'np.memmap("TARGET/pwned", mode="w+", shape=4)[:] = 1',
    "storage from file": 'torch.UntypedStorage.from_file("TARGET/pwned", True, 4)',
    "libc": 'ctypes.CDLL(None).creat(b"TARGET/pwned", 0o600)',
    "raw call": "ctypes.CDLL(None).syscall(85, b'TARGET/pwned', 0o600)",
    "remove": 'os.remove("TARGET/victim")',
    "rmtree": 'shutil.rmtree("TARGET/folder")',
    "rename": 'os.rename("TARGET/victim", "TARGET/moved")',
    "truncate": 'os.truncate("TARGET/victim", 1)',
    "link": 'os.link("TARGET/victim", "TARGET/link")',
    "symlink": 'os.symlink("/etc", "TARGET/link")',
    "mkdir": 'os.mkdir("TARGET/made")',
    "mkfifo": 'os.mkfifo("TARGET/fifo")',
    "chmod": 'os.chmod("TARGET/victim", 0o777)',
    "utime": 'os.utime("TARGET/victim", (1, 1))',
    "read": 'raise RuntimeError(open("TARGET/victim").read())',
    "torch.from_file": """
raise RuntimeError(bytes(torch.from_file("TARGET/victim", size=6, dtype=torch.uint8).numpy()))
""",
    "fromfile": 'raise RuntimeError(np.fromfile("TARGET/victim", np.uint8).tobytes())',
    "through /proc": 'raise RuntimeError(open("/proc/self/root/TARGET/victim").read())',
    "environment of the parent": """
if b"PATH=" in open("/proc/PARENT/environ", "rb").read():
    raise RuntimeError("SECRET")
""",
    "memory of the parent": """
maps = open("/proc/PARENT/maps").read()
raise RuntimeError("SECRET" if "heap" in maps else "")
""",
    # The network.
    "tcp": 'socket.create_connection(("127.0.0.1", PORT), timeout=2).close()',
    "udp": """
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("127.0.0.1", PORT))
""",
    "libc socket": """
libc = ctypes.CDLL(None)
address = b"\\x02\\x00" + (PORT).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
libc.connect(libc.socket(2, 1, 0), address, 16)
""",
    "unix": 'socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"hello", "TARGET/inbox")',
    "pair": """
socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"hello", "TARGET/inbox")
""",
    "libc pair": """
libc, ends = ctypes.CDLL(None), (ctypes.c_int * 2)()
libc.socketpair(1, 2, 0, ends)
address = b"\\x01\\x00" + b"TARGET/inbox" + bytes(1)
libc.sendto(ends[0], b"hello", 5, 0, address, len(address))
""",
    "descriptors": """
near = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]
near.sendmsg([b"hello"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, np.int32(2).tobytes())], 0,
             "TARGET/inbox")
""",
    "listen": """
server = socket.create_server(("127.0.0.1", 0))
raise RuntimeError("SECRET")
""",
    "TCPStore": """
import threading
connect = lambda: torch.distributed.TCPStore("127.0.0.1", PORT, None, False)
thread = threading.Thread(target=connect, daemon=True)
thread.start()
thread.join(0.5)
""",
    # Processes.
    "system": 'os.system("touch TARGET/pwned")',
    "popen": 'subprocess.run(["touch", "TARGET/pwned"])',
    "posix_spawn": """
os.waitpid(os.posix_spawn("/bin/touch", ["touch", "TARGET/pwned"], {}), 0)
""",
    "libc system": 'ctypes.CDLL(None).system(b"touch TARGET/pwned")',
    "fork": """
child = os.fork()
if not child:
    open("TARGET/pwned", "w").close()
    os._exit(0)
os.waitpid(child, 0)
raise RuntimeError("SECRET")
""",
    "multiprocessing": """
process = multiprocessing.get_context("fork").Process(target=os.mkdir, args=("TARGET/made",))
process.start()
process.join()
""",
    "kill": "os.kill(SLEEPER, signal.SIGKILL)",
    "kill everybody": 'os.kill(SLEEPER, 0); raise RuntimeError("SECRET")',
    "pidfd": "signal.pidfd_send_signal(os.pidfd_open(SLEEPER), signal.SIGKILL)",
    "signal by a pipe": """
import fcntl
ends = os.pipe()
fcntl.fcntl(ends[0], fcntl.F_SETOWN, SLEEPER)
fcntl.fcntl(ends[0], 10, int(signal.SIGKILL))
fcntl.fcntl(ends[0], fcntl.F_SETFL, os.O_ASYNC)
os.write(ends[1], b"x")
""",
    "signal by a socket": """
import fcntl
near, far = socket.socketpair()
fcntl.ioctl(near, 0x8901, np.int32(SLEEPER).tobytes())
fcntl.fcntl(near, 10, int(signal.SIGKILL))
fcntl.fcntl(near, fcntl.F_SETFL, os.O_ASYNC)
far.send(b"x")
""",
    "choose a signal": """
import fcntl
fcntl.fcntl(os.pipe()[0], 10, int(signal.SIGKILL))
raise RuntimeError("SECRET")
""",
    "priority": 'os.setpriority(os.PRIO_PROCESS, SLEEPER, 19); raise RuntimeError("SECRET")',
    "processor": 'os.sched_setaffinity(SLEEPER, {0}); raise RuntimeError("SECRET")',
    # Native code and the kernel.
    "load a library": 'ctypes.CDLL("TARGET/library.so"); raise RuntimeError("SECRET")',
    "torch library": 'torch.ops.load_library("TARGET/library.so"); raise RuntimeError("SECRET")',
    "code from an open file": """
os.write(2, b"x")
mmap.mmap(2, 1, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
raise RuntimeError("SECRET")
""",
    "io_uring": """
if ctypes.CDLL(None).syscall(425, 4, bytes(120)) >= 0:
    raise RuntimeError("SECRET")
""",
    "memory of others": """
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, SLEEPER, 0, 0) == 0:
    os.waitpid(SLEEPER, 0)
    libc.ptrace(17, SLEEPER, 0, 0)
    raise RuntimeError("SECRET")
""",
    "memory as a file": 'os.memfd_create("x"); raise RuntimeError("SECRET")',
    "die without the parent": """
if ctypes.CDLL(None).prctl(1, 0) == 0:
    raise RuntimeError("SECRET")
""",
    "more files": """
import resource
resource.prlimit(0, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
raise RuntimeError("SECRET")
""",
    "outlive its own children": """
if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0:
    raise RuntimeError("SECRET")
""",
    "attributes of a file": 'os.listxattr("TARGET/victim"); raise RuntimeError("SECRET")',
    "all files to the disk": """
if ctypes.CDLL(None).syncfs(2) == 0:
    raise RuntimeError("SECRET")
""",
    "another user": 'os.setgid(os.getgid()); raise RuntimeError("SECRET")',
}
