// Package e2e drives the built program as its users do: the real server with
// real sandboxes, and the AWS CLI, boto3 and aws-sdk-go-v2 as its clients.
//
// All of it is in the tests. One server is shared by the tests that only deploy
// and invoke; a test that kills, stops or configures a server starts its own.
// Each test deletes the functions that it made and then looks whether the server
// holds more of the kernel than before; a server that has ended must have left
// nothing at all.
//
// The tests need root, the managed runtimes (make runtimes) and a Python
// environment with the AWS CLI and boto3. What lacks one of them is skipped with
// the reason, unless THAW_E2E_REQUIRE=1 is set, as make test does: then it
// fails. Further variables:
//
//	THAW_E2E_PROGRAM   the thaw to test; default: built from this clone
//	THAW_E2E_RUNTIMES  the managed runtimes; default build/runtimes
//	THAW_E2E_VENV      the Python environment; default build/venv
//	THAW_E2E_AWS2      version 2 of the AWS CLI, for "aws logs tail"; default: /usr/bin/aws
//
// Concurrency: the tests run one after another, because most of them look at
// what the whole machine does meanwhile.
package e2e
