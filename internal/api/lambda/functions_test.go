package lambda_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const functions = "/2015-03-31/functions"

// onlySet keeps the members that a test can know beforehand.
func onlySet(t *testing.T, configuration map[string]any) map[string]any {
	t.Helper()
	c := maps.Clone(configuration)
	for _, varying := range []string{"CodeSha256", "CodeSize", "LastModified", "RevisionId"} {
		if c[varying] == nil || c[varying] == "" {
			t.Errorf("%s is missing", varying)
		}
		delete(c, varying)
	}
	if v, ok := c["RuntimeVersionConfig"].(map[string]any); ok {
		arn, _ := v["RuntimeVersionArn"].(string)
		if !strings.HasPrefix(arn, "arn:aws:lambda:us-east-1::runtime:") {
			t.Errorf("RuntimeVersionArn %q", arn)
		}
		c["RuntimeVersionConfig"] = "present"
	}
	return c
}

// common is what every answer about a new function shows.
func common(arn string) map[string]any {
	return map[string]any{
		"Architectures": []any{"x86_64"}, "Description": "", "EphemeralStorage": map[string]any{"Size": 512.0},
		"FunctionArn": arn, "FunctionName": "f", "Handler": "index.handler",
		"LoggingConfig": map[string]any{"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
		"MemorySize":    128.0, "PackageType": "Zip", "Role": "arn:aws:iam::111111111111:role/r", "Runtime": "python3.12",
		"SnapStart": map[string]any{"ApplyOn": "None", "OptimizationStatus": "Off"},
		"Timeout":   3.0, "TracingConfig": map[string]any{"Mode": "PassThrough"}, "Version": "$LATEST",
	}
}

func with(c map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i].(string)] = pairs[i+1]
	}
	return c
}

const arn = "arn:aws:lambda:us-east-1:111111111111:function:f"

// TestLifeOfAFunction compares each answer, member by member, with what the
// service was recorded to answer to the same calls.
func TestLifeOfAFunction(t *testing.T) {
	s := newServer(t, setup{settle: 200 * time.Millisecond})
	check := func(what string, got, want map[string]any) {
		t.Helper()
		if diff := cmp.Diff(want, onlySet(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	a := s.do("POST", functions+"/", createBody("f", nil))
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("create: %d, %s", a.status, a.header.Get("Content-Type"))
	}
	check("create", a.json, with(common(arn), "State", "Pending", "StateReason", "The function is being created.",
		"StateReasonCode", "Creating", "RuntimeVersionConfig", "present"))
	created := a.json["RevisionId"]

	active := []any{"State", "Active", "LastUpdateStatus", "Successful", "RuntimeVersionConfig", "present"}
	got := s.await("f")
	check("configuration", got, with(common(arn), active...))
	if got["RevisionId"] == created {
		t.Error("the revision is the same after activation")
	}
	a = s.do("GET", functions+"/f?Qualifier=%24LATEST", "")
	check("get with a qualifier", a.json["Configuration"].(map[string]any), with(common(arn+":$LATEST"), active...))
	if got := slices.Sorted(maps.Keys(a.json)); !slices.Equal(got, []string{"Code", "Configuration"}) {
		t.Errorf("get shows %v", got)
	}
	a = s.do("GET", functions, "")
	check("list", a.json["Functions"].([]any)[0].(map[string]any), common(arn))
	if _, ok := a.json["NextMarker"]; ok {
		t.Error("the only page has a NextMarker")
	}

	a = s.do("PUT", functions+"/f/code", fmt.Sprintf(`{"ZipFile":%q}`, zipFile("other")))
	progress := []any{"State", "Active", "LastUpdateStatus", "InProgress", "LastUpdateStatusReason", "The function is being created.",
		"LastUpdateStatusReasonCode", "Creating", "RuntimeVersionConfig", "present"}
	if a.status != http.StatusOK {
		t.Errorf("update of code: %d", a.status)
	}
	check("update of code", a.json, with(common(arn), progress...))
	a = s.do("PUT", functions+"/f/configuration", `{"Timeout":9}`)
	if want := "The operation cannot be performed at this time. An update is in progress for resource: " + arn; a.status != 409 || a.json["message"] != want {
		t.Errorf("update during an update: %d %s", a.status, a.body)
	}
	s.await("f")
	a = s.do("PUT", functions+"/f/configuration", `{"Timeout":9,"Environment":{},"Description":"d"}`)
	check("update of configuration", a.json, with(with(common(arn), progress...), "Timeout", 9.0, "Description", "d",
		"Environment", map[string]any{"Variables": map[string]any{}}))

	a = s.do("DELETE", functions+"/f", "")
	if a.status != http.StatusNoContent || a.body != "" || a.header.Get("Content-Type") != "" {
		t.Errorf("delete: %d %q", a.status, a.body)
	}
	if a = s.do("GET", functions+"/f", ""); a.status != http.StatusNotFound {
		t.Errorf("get after delete: %d", a.status)
	}
}

func TestPublishOnCreate(t *testing.T) {
	s := newServer(t, setup{})
	created := s.create("f", map[string]any{"Publish": true})
	if created["FunctionArn"] != arn || created["Version"] != "1" {
		t.Errorf("create shows %v, version %v; want the unqualified ARN and version 1", created["FunctionArn"], created["Version"])
	}
	a := s.do("GET", functions+"?FunctionVersion=ALL", "")
	var arns []any
	for _, f := range a.json["Functions"].([]any) {
		arns = append(arns, f.(map[string]any)["FunctionArn"])
	}
	if diff := cmp.Diff([]any{arn + ":$LATEST", arn + ":1"}, arns); diff != "" {
		t.Errorf("all versions (-want +got):\n%s", diff)
	}
}

func TestRecordedMembersAreShown(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", map[string]any{
		"VpcConfig":        map[string]any{"SubnetIds": []string{"subnet-1"}, "SecurityGroupIds": []string{"sg-1"}},
		"DeadLetterConfig": map[string]any{"TargetArn": "arn:aws:sqs:us-east-1:111111111111:q"},
		"KMSKeyArn":        "arn:aws:kms:us-east-1:111111111111:key/k", "SnapStart": map[string]any{"ApplyOn": "PublishedVersions"},
		"FileSystemConfigs": []any{map[string]any{"LocalMountPath": "/mnt/a",
			"Arn": "arn:aws:elasticfilesystem:us-east-1:111111111111:access-point/fsap-00000000000000000"}},
		"TracingConfig": map[string]any{"Mode": "Active"},
		"LoggingConfig": map[string]any{"LogFormat": "JSON"},
		"Tags":          map[string]any{"k": "v"},
	})
	a := s.do("GET", functions+"/f", "")
	c := a.json["Configuration"].(map[string]any)
	want := map[string]any{
		"VpcConfig": map[string]any{"SubnetIds": []any{"subnet-1"}, "SecurityGroupIds": []any{"sg-1"},
			"VpcId": "", "Ipv6AllowedForDualStack": false},
		"DeadLetterConfig": map[string]any{"TargetArn": "arn:aws:sqs:us-east-1:111111111111:q"},
		"KMSKeyArn":        "arn:aws:kms:us-east-1:111111111111:key/k",
		"SnapStart":        map[string]any{"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
		"FileSystemConfigs": []any{map[string]any{"LocalMountPath": "/mnt/a",
			"Arn": "arn:aws:elasticfilesystem:us-east-1:111111111111:access-point/fsap-00000000000000000"}},
		"TracingConfig": map[string]any{"Mode": "Active"},
		"LoggingConfig": map[string]any{"LogFormat": "JSON", "LogGroup": "/aws/lambda/f", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"},
	}
	for name, value := range want {
		if diff := cmp.Diff(value, c[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(map[string]any{"k": "v"}, a.json["Tags"]); diff != "" {
		t.Errorf("tags: %s", diff)
	}
	a = s.do("PUT", functions+"/f/configuration", `{"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"KMSKeyArn":"","DeadLetterConfig":{"TargetArn":""}}`)
	empty := map[string]any{"SubnetIds": []any{}, "SecurityGroupIds": []any{}, "VpcId": "", "Ipv6AllowedForDualStack": false}
	if diff := cmp.Diff(empty, a.json["VpcConfig"]); diff != "" {
		t.Errorf("VpcConfig taken away (-want +got):\n%s", diff)
	}
	if a.json["KMSKeyArn"] != nil || a.json["DeadLetterConfig"] != nil {
		t.Errorf("KMSKeyArn %v and DeadLetterConfig %v are still there", a.json["KMSKeyArn"], a.json["DeadLetterConfig"])
	}
}

func TestListPages(t *testing.T) {
	s := newServer(t, setup{})
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("f%d", i)
		s.create(name, nil)
		want = append(want, name)
	}
	var got []string
	marker := ""
	for pages := 0; ; pages++ {
		a := s.do("GET", functions+"?MaxItems=2"+marker, "")
		for _, f := range a.json["Functions"].([]any) {
			got = append(got, f.(map[string]any)["FunctionName"].(string))
		}
		next, more := a.json["NextMarker"].(string)
		if !more {
			break
		}
		if marker = "&Marker=" + url.QueryEscape(next); pages > 5 {
			t.Fatal("the pages have no end")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestRefusals is about answers that were recorded from the service, but where
// the text is this server's own.
func TestRefusals(t *testing.T) {
	s := newServer(t, setup{})
	s.create("f", nil)
	long := strings.Repeat("a", 65)
	const (
		runtimes   = " at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
		invalid    = "InvalidParameterValueException"
		notFound   = "ResourceNotFoundException"
		validation = "ValidationException"
		signing    = "arn:aws:lambda:us-east-1:111111111111:code-signing-config:csc-00000000000000000"
		provider   = "arn:aws:lambda:us-east-1:111111111111:capacity-provider:p"
	)
	tests := []struct {
		name, method, target, body string
		status                     int
		code, key, text            string // text as a prefix
		plain                      bool   // no Type
	}{
		{"runtime", "POST", "", createBody("g", map[string]any{"Runtime": "non-existent-runtime"}), 400, invalid, "message", "Value non-existent-runtime" + runtimes, false},
		{"runtime in upper case", "POST", "", createBody("g", map[string]any{"Runtime": "PYTHON3.9"}), 400, invalid, "message", "Value PYTHON3.9" + runtimes, false},
		{"runtime of an update", "PUT", "/f/configuration", `{"Runtime":"non-existent-runtime"}`, 400, invalid, "message", "Value non-existent-runtime" + runtimes, false},
		{"role of an update", "PUT", "/f/configuration", `{"Role":"r1"}`, 400, validation, "message", "1 validation error detected: Value 'r1' at 'role'", true},
		{"zip", "POST", "", createBody("g", map[string]any{"Code": map[string]any{"ZipFile": "AAAA"}}), 400, invalid, "message", "Could not unzip uploaded file. Please check your file, then try to upload again.", false},
		{"name of 65", "POST", "", createBody(long, nil), 400, invalid, "message", "1 validation error detected: Value '" + long + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", false},
		{"environment", "POST", "", createBody("g", map[string]any{"Environment": map[string]any{"Variables": map[string]any{"LARGE_VAR": strings.Repeat("x", 4096)}}}), 400, invalid, "message",
			`Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LARGE_VAR":"xxx`, false},
		{"memory beyond the service", "POST", "", createBody("g", map[string]any{"MemorySize": 10241}), 400, validation, "message", "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240", true},
		{"exists", "POST", "", createBody("f", nil), 409, "ResourceConflictException", "message", "Function already exist: f", false},
		{"S3", "POST", "", createBody("g", map[string]any{"Code": map[string]any{"S3Bucket": "bucket", "S3Key": "k"}}), 400, invalid, "message", "This server cannot fetch objects from S3", false},
		{"bucket only", "POST", "", createBody("g", map[string]any{"Code": map[string]any{"S3Bucket": "bucket"}}), 400, invalid, "message", "Please provide both S3Bucket and S3Key.", false},
		{"S3 by reference", "POST", "", createBody("g", map[string]any{"Code": map[string]any{"S3Bucket": "bucket", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"}}), 400, invalid, "message", "The storage mode REFERENCE", false},
		{"image", "POST", "", createBody("g", map[string]any{"Code": map[string]any{"ImageUri": "i"}}), 400, invalid, "message", "Container images are not supported", false},
		{"no source", "POST", "", createBody("g", map[string]any{"Code": map[string]any{}}), 400, invalid, "message", "Please provide a source for function code.", false},
		{"image for a zip function", "PUT", "/f/code", `{"ImageUri":"i"}`, 400, invalid, "message", "Please don't provide ImageUri when updating a function with packageType Zip.", false},
		{"revision", "PUT", "/f/code", `{"ZipFile":"` + zipFile("x") + `","RevisionId":"wrong"}`, 412, "PreconditionFailedException", "message",
			"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id", false},
		{"get unknown", "GET", "/none", "", 404, notFound, "Message", "Function not found: arn:aws:lambda:us-east-1:111111111111:function:none", false},
		{"get a long name", "GET", "/" + long, "", 404, notFound, "Message", "Function not found: arn:aws:lambda:us-east-1:111111111111:function:" + long, false},
		{"get an unknown version", "GET", "/f?Qualifier=1221", "", 404, notFound, "Message", "Function not found: " + arn + ":1221", false},
		{"configuration of an unknown version", "GET", "/f/configuration?Qualifier=1221", "", 404, notFound, "Message", "Function not found: " + arn + ":1221", false},
		{"get $latest", "GET", "/" + arn + ":$latest", "", 404, notFound, "Message", "Function not found: " + arn + ":$latest", false},
		{"qualifiers differ", "GET", "/" + arn + ":$LATEST?Qualifier=1", "", 400, invalid, "message", "The derived qualifier from the function name does not match the specified qualifier.", false},
		{"qualifiers agree", "GET", "/arn:aws:lambda:us-east-1:111111111111:function:some:$LATEST?Qualifier=$LATEST", "", 404, notFound, "Message",
			"Function not found: arn:aws:lambda:us-east-1:111111111111:function:some:$LATEST", false},
		{"other region", "GET", "/arn:aws:lambda:ap-southeast-1:111111111111:function:f", "", 404, notFound, "Message",
			"Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')", false},
		{"other account", "GET", "/arn:aws:lambda:us-east-1:222222222222:function:f", "", 403, "AccessDeniedException", "Message", "User: ", true},
		{"delete unknown", "DELETE", "/none", "", 404, notFound, "Message", "Function not found: arn:aws:lambda:us-east-1:111111111111:function:none", false},
		{"delete $LATEST", "DELETE", "/f?Qualifier=$LATEST", "", 400, invalid, "message", "$LATEST version cannot be deleted without deleting the function.", false},
		{"no layers here", "POST", "", createBody("g", map[string]any{"Layers": []string{"arn:aws:lambda:us-east-1:111111111111:layer:l:1"}}), 400, invalid, "message", "Layer version arn:aws:lambda:us-east-1:111111111111:layer:l:1 does not exist.", false},
		{"code signing", "POST", "", createBody("g", map[string]any{"CodeSigningConfigArn": signing}), 404, "CodeSigningConfigNotFoundException", "Message",
			"The code signing configuration cannot be found. Check that the provided configuration is not deleted: " + signing + ".", false},
		{"tenants", "POST", "", createBody("g", map[string]any{"TenancyConfig": map[string]any{"TenantIsolationMode": "PER_TENANT"}}), 400, invalid, "message", "Tenant isolation is not supported", false},
		{"capacity", "PUT", "/f/configuration", `{"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{"CapacityProviderArn":"` + provider + `"}}}`, 404, notFound, "Message",
			"Capacity provider not found: " + provider, false},
		{"broken JSON", "POST", "", `{"FunctionName":`, 400, "SerializationException", "message", "Could not parse request body into json", true},
		{"wrong type", "POST", "", `{"FunctionName":7}`, 400, "SerializationException", "message", "NUMBER_VALUE can not be converted to a String", true},
		{"unknown path", "GET", "/f/unknown", "", 404, "UnknownOperationException", "message", "No operation is known", true},
		{"unknown method", "PATCH", "/f", "", 404, "UnknownOperationException", "message", "No operation is known", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, functions+tt.target, tt.body)
			if a.status != tt.status || a.header.Get("X-Amzn-ErrorType") != tt.code {
				t.Errorf("answer %d %s, want %d %s", a.status, a.header.Get("X-Amzn-ErrorType"), tt.status, tt.code)
			}
			if got, _ := a.json[tt.key].(string); !strings.HasPrefix(got, tt.text) {
				t.Errorf("%s %q, want %q", tt.key, got, tt.text)
			}
			if kind, typed := a.json["Type"]; typed == tt.plain || typed && kind != "User" {
				t.Errorf("Type %v, want it only with errors of the service", kind)
			}
			if want := 2; tt.plain && len(a.json) != 1 || !tt.plain && len(a.json) != want {
				t.Errorf("body %s", a.body)
			}
		})
	}
}

func TestBodyLimits(t *testing.T) {
	s := newServer(t, setup{})
	tests := []struct {
		name, method, target string
		size                 int
		text                 string
	}{
		{"create", "POST", functions, 70167211, "Request must be smaller than 70167211 bytes for the CreateFunction operation"},
		{"alias", "POST", functions + "/f/aliases", 1 << 20, "Request must be smaller than 1048576 bytes for the CreateAlias operation"},
		{"invoke", "POST", functions + "/f/invocations", 6291457, "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
	}
	for _, tt := range tests {
		for _, announced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s announced %v", tt.name, announced), func(t *testing.T) {
				body := strings.NewReader(strings.Repeat(" ", tt.size))
				r, err := http.NewRequest(tt.method, tt.target, body)
				if err != nil {
					t.Fatal(err)
				}
				r.RequestURI, r.Host = tt.target, "localhost"
				if !announced {
					r.ContentLength = -1
				}
				a := s.send(r)
				if a.status != 413 || a.header.Get("X-Amzn-ErrorType") != "RequestEntityTooLargeException" || a.json["Message"] != tt.text {
					t.Errorf("answer %d %s", a.status, a.body)
				}
				if body.Len() != 0 {
					t.Errorf("%d bytes of the body are unread: the client would see a broken connection", body.Len())
				}
			})
		}
	}
	if a := s.do("POST", functions, strings.Repeat(" ", 70167210)); a.status != 400 {
		t.Errorf("one byte less: %d %s, want 400", a.status, a.body)
	}
}

// TestNotBuilt asks for an operation that is left out: its input is checked all
// the same.
func TestNotBuilt(t *testing.T) {
	s := newServer(t, setup{})
	const providers = "/2025-11-30/capacity-providers"
	a := s.do("GET", providers, "")
	if a.status != 501 || a.header.Get("X-Amzn-ErrorType") != "NotImplementedException" ||
		a.json["message"] != "This server does not support the operation ListCapacityProviders yet." {
		t.Errorf("answer %d %s", a.status, a.body)
	}
	a = s.do("GET", providers+"?MaxItems=0", "")
	if text, _ := a.json["message"].(string); a.status != 400 || !strings.HasPrefix(text, "1 validation error detected: Value '0' at 'maxItems'") {
		t.Errorf("answer %d %s", a.status, a.body)
	}
}

// TestUnbuiltOperations: nothing is left out but durable executions, capacity
// providers and response streaming.
func TestUnbuiltOperations(t *testing.T) {
	names := newServer(t, setup{}).handler.Unbuilt()
	t.Logf("%d operations answer 501: %s", len(names), strings.Join(names, " "))
	leftOut := regexp.MustCompile(`Durable|CapacityProvider|^InvokeWithResponseStream$`)
	for _, name := range names {
		if !leftOut.MatchString(name) {
			t.Errorf("%s is not built", name)
		}
	}
	if want := 88 - 72; len(names) != want {
		t.Errorf("%d operations are not built, want %d: correct the count", len(names), want)
	}
}

func TestCodeLocation(t *testing.T) {
	now := time.Now()
	s := newServer(t, setup{now: func() time.Time { return now }})
	s.create("f", nil)
	c := s.do("GET", functions+"/f", "").json["Code"].(map[string]any)
	location := c["Location"].(string)
	if c["RepositoryType"] != "S3" || !strings.HasPrefix(location, "http://localhost:4566/_thaw/code/") {
		t.Errorf("code %v", c)
	}
	a := s.do("GET", location, "")
	if a.status != 200 || !strings.HasPrefix(a.body, "PK") || a.header.Get("Content-Type") != "application/zip" {
		t.Errorf("location: %d %.40q", a.status, a.body)
	}
	for name, bad := range map[string]string{
		"other digest":    strings.Replace(location, "/code/", "/code/0", 1),
		"other expiry":    strings.Replace(location, "expires=", "expires=9", 1),
		"no signature":    strings.Split(location, "&")[0],
		"path of another": strings.Replace(location, "/code/", "/code/../", 1),
	} {
		if a := s.do("GET", bad, ""); a.status != 403 {
			t.Errorf("%s: %d, want 403", name, a.status)
		}
	}
	if a := s.do("POST", location, ""); a.status != 404 {
		t.Errorf("POST: %d, want 404", a.status)
	}
	now = now.Add(11 * time.Minute)
	if a := s.do("GET", location, ""); a.status != 403 || a.json["Message"] != "The link to the code has expired." {
		t.Errorf("after 11 minutes: %d %s", a.status, a.body)
	}
}
