// Command custom is a runtime of its own: it fails every invocation with the
// error that the variables say.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		if err := once(base); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func once(base string) error {
	next, err := http.Get(base + "next")
	if err != nil {
		return err
	}
	defer next.Body.Close()
	var event map[string]string
	if err := json.NewDecoder(next.Body).Decode(&event); err != nil {
		return err
	}
	failure, err := json.Marshal(map[string]string{
		"errorType": os.Getenv("ERROR_TYPE"), "errorMessage": fmt.Sprintf(os.Getenv("ERROR_FORMAT"), event["error_msg"]),
	})
	if err != nil {
		return err
	}
	url := base + next.Header.Get("Lambda-Runtime-Aws-Request-Id") + "/error"
	answer, err := http.Post(url, "application/json", strings.NewReader(string(failure)))
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
