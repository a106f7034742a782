// Logs a line of each kind: of two levels, of several lines, and a bare one.
export const handler = async () => {
  console.info("all is well");
  console.error("it went\nwrong", new Error("of no use"));
  process.stdout.write("plain\n");
};
