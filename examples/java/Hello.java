package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A function in Java: it greets, and tells what it was given.
 *
 * <p>Build it with build.sh, and deploy the jar with the handler "example.Hello" and a
 * runtime javaN.
 */
public final class Hello implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // What belongs to the handler's object lives until the environment is shut down; the
    // object is made once, when the environment is initialised.
    private int invocations;

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        invocations++;
        context.getLogger().log("invocation " + invocations + " of this environment\n");

        // An event without a name is no mistake: it is greeted all the same.
        Object name = event == null ? null : event.get("name");
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("message", "Hello, " + (name == null ? "world" : name) + ", from Java");
        answer.put("requestId", context.getAwsRequestId());
        answer.put("cold", invocations == 1);
        answer.put("event", event);
        return answer;
    }
}
