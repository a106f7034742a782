// Does what functions should not do: the event's "do" names it.
let count = 0;
const kept = [];

const deeds = {
  state: () => ({ count }),
  exit: ({ code }) => process.exit(code),
  signal: ({ signal }) => {
    process.kill(process.pid, signal);
    for (;;) {}
  },
  loop: () => {
    for (;;) {}
  },
  memory: () => {
    for (;;) kept.push(Buffer.alloc(8 << 20, 1));
  },
  large: ({ size }) => "x".repeat(size - 2),
  reject: () => {
    Promise.reject(new RangeError("nobody has caught me"));
    return new Promise((resolve) => setTimeout(resolve, 5000));
  },
};

export const handler = async (event) => {
  count++;
  return deeds[event.do](event);
};
