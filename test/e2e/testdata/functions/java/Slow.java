package app;

import java.util.Map;

/** A class that is never loaded to the end. */
public class Slow {
    static {
        try {
            Thread.sleep(100_000);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    public Object handle(Map<String, Object> event) {
        return event;
    }
}
