import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** The benchmark's function in Java: it answers with its event. */
public class Echo {
    public void handleRequest(InputStream event, OutputStream answer) throws IOException {
        event.transferTo(answer);
    }
}
