# Stands for systemd in the watchdog's test: binds the datagram socket that sd_notify(3) writes to, and prints what comes.
import array, os, socket, sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print("bound", flush=True)
while True:
    message, ancillary, _, _ = receiver.recvmsg(4096, 1024)
    # systemd-notify waits until the descriptor that it sends along is closed (BARRIER=1).
    for _, kind, data in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors = array.array("i")
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            for descriptor in descriptors:
                os.close(descriptor)
    print(message.decode().replace("\n", " "), flush=True)
