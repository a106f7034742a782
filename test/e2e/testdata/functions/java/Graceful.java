package app;

import java.util.Map;

/** Says so when its machine is asked to end. */
public class Graceful {
    public Graceful() {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("terminated")));
    }

    public Object handle(Map<String, Object> event) {
        return event;
    }
}
