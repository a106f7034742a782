import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Has a new runtime answer two events, so that the machine can archive the classes that
 * this takes. Its argument: where to. It runs where the runtime is at /var/runtime.
 */
public final class Rehearsal {
    private static final int EVENTS = 2;
    private static final int PATIENCE_SECONDS = 60;

    private final CountDownLatch answered = new CountDownLatch(EVENTS);
    private final AtomicInteger given = new AtomicInteger();

    public static void main(String[] arguments) throws Exception {
        new Rehearsal().run(Path.of(arguments[0]));
    }

    private void run(Path archive) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        var threads = Executors.newFixedThreadPool(EVENTS + 1, work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });
        server.setExecutor(threads);
        server.createContext("/", this::serve);
        server.start();

        ProcessBuilder builder = new ProcessBuilder("/var/runtime/bootstrap").inheritIO();
        var variables = builder.environment();
        variables.clear();
        variables.put("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:" + server.getAddress().getPort());
        // A method that every machine has, which takes any event.
        variables.put("_HANDLER", "java.lang.Object::equals");
        variables.put("LAMBDA_TASK_ROOT", "/var/task");
        variables.put("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512");
        variables.put("JAVA_TOOL_OPTIONS", "-XX:ArchiveClassesAtExit=" + archive);
        Process runtime = builder.start();
        boolean complete = answered.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
        runtime.destroy(); // a machine that is asked to end writes the archive
        if (!runtime.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            runtime.destroyForcibly();
        }
        server.stop(0);
        if (!complete || !Files.exists(archive)) {
            throw new IOException("the runtime has answered " + (EVENTS - answered.getCount()) + " events");
        }
    }

    private void serve(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().readAllBytes();
        if (exchange.getRequestMethod().equals("POST")) {
            exchange.sendResponseHeaders(202, -1);
            answered.countDown();
            return;
        }
        if (given.incrementAndGet() > EVENTS) {
            return; // the next event never comes
        }
        byte[] event = "{\"name\":\"rehearsal\",\"list\":[1,2.5,true,null]}".getBytes(StandardCharsets.UTF_8);
        var headers = exchange.getResponseHeaders();
        headers.set("Content-Type", "application/json");
        headers.set("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000");
        headers.set("Lambda-Runtime-Deadline-Ms", Long.toString(System.currentTimeMillis() + 60_000));
        headers.set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:rehearsal");
        exchange.sendResponseHeaders(200, event.length);
        exchange.getResponseBody().write(event);
        exchange.close();
    }
}
