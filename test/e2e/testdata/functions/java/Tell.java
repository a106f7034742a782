package app;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.HashMap;
import java.util.Map;

/** A handler class that takes its time to be loaded, and tells what it is told. */
public class Tell implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    static {
        try {
            Thread.sleep(400);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        System.out.println("loaded");
    }

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        context.getLogger().log("asked for " + event.get("name"));
        Map<String, Object> answer = new HashMap<>(event);
        answer.put("function", context.getFunctionName());
        answer.put("requestId", context.getAwsRequestId());
        answer.put("memoryMB", context.getMemoryLimitInMB());
        answer.put("inTime", context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 30000);
        return answer;
    }
}
