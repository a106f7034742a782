package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// behaviour is the suite of what functions do when they are invoked.
const behaviour = "lambda"

func invokeCases() []derived {
	cases := []derived{
		{suite: behaviour, name: "TestLambdaBaseFeatures::test_function_state", steps: func(r *run) {
			r.create("create-fn-response", m{"Handler": "handler.handler", "Code": m{"ZipFile": pack("handler.py", echoPython)}})
			r.call("get-fn-response", "GetFunction", m{"FunctionName": r.fn})
		}},
		{suite: behaviour, name: "TestLambdaBehavior::test_lambda_invoke_no_timeout", steps: func(r *run) {
			r.createUsual("create-result", m{"Timeout": 2, "Code": m{"ZipFile": pack("handler.py", sleepPython)}})
			r.invoke("invoke-result", m{"Payload": blob([]byte(`{"wait": 0}`))})
		}},
		{suite: behaviour, name: "TestLambdaBehavior::test_lambda_invoke_with_timeout", steps: func(r *run) {
			r.createUsual("create-result", m{"Timeout": 1, "Code": m{"ZipFile": pack("handler.py", sleepPython)}})
			r.invoke("invoke-result", m{"Payload": blob([]byte(`{"wait": 5}`))})
		}},
		{suite: behaviour, name: "TestLambdaCleanup::test_recreate_function", steps: func(r *run) {
			echo := m{"Handler": "lambda_echo.handler", "Code": m{"ZipFile": pack("lambda_echo.py", echoPython)}}
			r.createUsual("create_function_response_one", echo)
			r.call("", "DeleteFunction", m{"FunctionName": r.fn})
			r.createUsual("create_function_response_two", echo)
		}},
		{suite: behaviour, name: "TestLambdaFeatures::test_invoke_exceptions", steps: func(r *run) {
			r.invoke("invoke_function_doesnotexist", m{"FunctionName": "doesnotexist"})
		}},
		{suite: behaviour, name: "TestLambdaVersions::test_lambda_handler_update", steps: handlerUpdate},
		{suite: behaviour, name: "TestLambdaFeatures::test_invocation_with_qualifier", steps: invokeVersion},
		{suite: behaviour, name: "TestRequestIdHandling::test_request_id_invoke", steps: requestID},
		{suite: "lambda_runtimes", name: "TestCloudwatchLogs::test_multi_line_prints", steps: printedLines},
		{suite: "lambda_runtimes", name: "TestJavaRuntimes::test_java_lambda_subscribe_sns_topic", steps: func(r *run) {
			// What is compared is how the function may be invoked by the topic, and not that it is.
			r.createUsual("", m{"Runtime": "java11", "Handler": "cloud.localstack.sample.LambdaHandler"})
			r.call("add-permission", "AddPermission", m{
				"FunctionName": r.fn, "StatementId": "statement-" + r.fn, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
				"SourceArn": "arn:aws:sns:" + region + ":" + account + ":topic-" + r.fn,
			})
			r.call("get-function", "GetFunction", m{"FunctionName": r.fn})
		}},
	}
	cases = append(cases, failureCases()...)
	echo := func(over m) func(r *run) {
		return func(r *run) {
			r.createUsual("", m{"Runtime": r.param})
			r.invoke("invoke-result", with(over, m{"Payload": blob([]byte(`{}`))}))
		}
	}
	cases = append(cases, each(behaviour, "TestLambdaFeatures::test_invocation_type_event", echo(m{"InvocationType": "Event"}), "python3.10", "python3.9")...)
	cases = append(cases, each(behaviour, "TestLambdaFeatures::test_invocation_type_request_response", echo(m{"InvocationType": "RequestResponse"}), "python3.10", "python3.9")...)
	return append(cases, each(behaviour, "TestLambdaFeatures::test_invocation_with_logs", func(r *run) {
		r.createUsual("", m{"Runtime": r.param, "Code": m{"ZipFile": pack("handler.py", "def handler(event, context):\n    print(event)\n    return event\n")}})
		answer := r.invoke("invoke", m{"LogType": "Tail", "Payload": blob([]byte(`{}`))})
		var lines []any
		for line := range strings.Lines(tailOf(answer)) {
			if !strings.HasPrefix(line, "INIT_START") {
				lines = append(lines, line)
			}
		}
		r.set("logs", m{"logs": lines})
	}, "python3.10")...)
}

// sleepPython waits as long as its event says.
const sleepPython = "import time\n\ndef handler(event, context):\n    time.sleep(event['wait'])\n"

// invoke invokes the case's function.
func (r *run) invoke(name string, over m) m {
	return r.call(name, "Invoke", with(m{"FunctionName": r.fn}, over))
}

// tailOf is the end of the log that an answer brings.
func tailOf(answer m) string {
	text, _ := answer["LogResult"].(string)
	log, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func handlerUpdate(r *run) {
	const two = "def handler(event, context):\n    return {'handler': 'handler'}\n\ndef handler_two(event, context):\n    return {'handler': 'handler_two'}\n"
	r.createUsual("", m{"Code": m{"ZipFile": pack("handler.py", two)}})
	r.invoke("invoke_result_handler_one", nil)
	function := m{"FunctionName": r.fn}
	r.call("update_function_configuration_result", "UpdateFunctionConfiguration", with(function, m{"Handler": "handler.handler_two"}))
	r.settle(r.fn)
	r.call("get_function_result", "GetFunction", function)
	r.invoke("invoke_result_handler_two", nil)
	r.call("", "PublishVersion", function)
	r.invoke("invoke_result_handler_two_postpublish", nil)
}

const contextPython = `import logging

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    print("Lambda log message - print function")
    logging.info("Lambda log message - logging module")
    told = ["aws_request_id", "client_context", "function_name", "function_version", "invoked_function_arn",
            "log_group_name", "log_stream_name", "memory_limit_in_mb"]
    return {"event": event, "context": {name: getattr(context, name) for name in told}}
`

func invokeVersion(r *run) {
	r.create("creation-response", m{
		"Handler": "handler.handler", "Timeout": 10, "Publish": true, "Code": m{"ZipFile": pack("handler.py", contextPython)},
	})
	r.settle(r.fn, "1")
	answer := r.invoke("invocation-response", m{"Qualifier": "1", "LogType": "Tail", "Payload": blob([]byte(`{"foo": "bar with 'quotes\""}`))})
	var lines []any
	for line := range strings.Lines(tailOf(answer)) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "REPORT") && !strings.HasPrefix(line, "INIT_START") {
			lines = append(lines, line)
		}
	}
	r.set("log_result", m{"log_result": lines})
}

// logged are the events of the function's log, once one of them begins with the
// line that ends an invocation.
func (r *run) logged() []any {
	for begin := newWait(settleLimit); ; begin.pause(r, "the log of the invocation") {
		got, _ := r.issue(call{Service: "logs", Operation: "FilterLogEvents", Input: m{"logGroupName": "/aws/lambda/" + r.fn}}).(m)
		events, _ := got["events"].([]any)
		for _, event := range events {
			if message(event) != "" && strings.HasPrefix(message(event), "REPORT") {
				return events
			}
		}
	}
}

func message(event any) string {
	e, _ := event.(m)
	text, _ := e["message"].(string)
	return text
}

func requestID(r *run) {
	const code = "import logging\n\nlogging.getLogger().setLevel(logging.INFO)\n\ndef handler(event, context):\n" +
		"    logging.info('RequestId log message')\n    return context.aws_request_id\n"
	r.createUsual("", m{"Code": m{"ZipFile": pack("handler.py", code)}})
	answer := r.invoke("invoke_result", nil)
	var id string
	if err := json.Unmarshal([]byte(answer["Payload"].(string)), &id); err != nil {
		r.stopf("no request ID in %s", brief(answer))
	}
	r.bind("<request-id>", id)
	var lines []any
	for _, event := range r.logged() {
		if text := strings.TrimSpace(message(event)); !strings.HasPrefix(text, "INIT_START") {
			lines = append(lines, text)
		}
	}
	r.set("log_entries", m{"logs": lines})
}

func printedLines(r *run) {
	const code = "def handler(event, context):\n    print('multi\\nline\\nstring')\n    print('another\\rline')\n"
	r.createUsual("", m{"Runtime": "python3.13", "Code": m{"ZipFile": pack("handler.py", code)}})
	r.invoke("", nil)
	r.set("log-events", r.logged())
}
