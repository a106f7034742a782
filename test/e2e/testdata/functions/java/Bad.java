package app;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Does what functions should not do: the event's "do" names it. */
public class Bad {
    private final List<byte[]> kept = new ArrayList<>();
    private int count;

    public Object handle(Map<String, Object> event) throws Exception {
        count++;
        switch ((String) event.get("do")) {
            case "exit":
                Runtime.getRuntime().halt((Integer) event.get("code"));
                break;
            case "signal":
                new ProcessBuilder("/bin/sh", "-c", "kill -" + event.get("signal") + " " + ProcessHandle.current().pid()).start();
                Thread.sleep(60_000);
                break;
            case "loop":
                while (true) {
                    count++;
                }
            case "memory":
                while (true) {
                    kept.add(new byte[8 << 20]);
                }
            case "large":
                return "x".repeat((Integer) event.get("size") - 2);
            default:
                break;
        }
        return Map.of("count", count);
    }
}
