package awsapi_test

import (
	"testing"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
)

func TestRouter(t *testing.T) {
	router := awsapi.NewRouter(model.Service())
	tests := []struct {
		method, path, query string
		op                  string // "" for none
		label               string
	}{
		{"GET", "/2015-03-31/functions", "", "ListFunctions", ""},
		{"GET", "/2015-03-31/functions/", "", "ListFunctions", ""},
		{"POST", "/2015-03-31/functions/", "", "CreateFunction", ""},
		{"GET", "/2015-03-31/functions/f", "", "GetFunction", "f"},
		{"DELETE", "/2015-03-31/functions/f", "", "DeleteFunction", "f"},
		{"PUT", "/2015-03-31/functions/f/code", "", "UpdateFunctionCode", "f"},
		{"POST", "/2015-03-31/functions/f:$LATEST/invocations", "", "Invoke", "f:$LATEST"},
		{"POST", "/2015-03-31/functions/f%3A%24LATEST/invocations", "", "Invoke", "f:$LATEST"},
		{"POST", "/2015-03-31/functions/a%2Fb/invocations", "", "Invoke", "a/b"},
		{"POST", "/2014-11-13/functions/f/invoke-async/", "", "InvokeAsync", "f"},
		{"GET", "/2018-10-31/layers", "", "ListLayers", ""},
		{"GET", "/2018-10-31/layers", "find=LayerVersion&Arn=x", "GetLayerVersionByArn", ""},
		{"GET", "/2018-10-31/layers", "find=Other", "ListLayers", ""},
		{"GET", "/2019-09-30/functions/f/provisioned-concurrency", "List=ALL", "ListProvisionedConcurrencyConfigs", "f"},
		{"GET", "/2019-09-30/functions/f/provisioned-concurrency", "Qualifier=1", "GetProvisionedConcurrencyConfig", "f"},
		{"GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", "", "ListTags", "arn:aws:lambda:us-east-1:000000000000:function:f"},

		{"GET", "/", "", "", ""},
		{"GET", "", "", "", ""},
		{"GET", "*", "", "", ""},
		{"PATCH", "/2015-03-31/functions", "", "", ""},
		{"GET", "/2015-03-31/functions/f/", "x", "GetFunction", "f"},
		{"GET", "/2015-03-31/functions/f//", "", "", ""},
		{"GET", "/2015-03-31/functions//", "", "", ""},
		{"GET", "//2015-03-31/functions", "", "", ""},
		{"POST", "/2015-03-31/functions//invocations", "", "", ""},
		{"GET", "/2015-03-31/functions/f/unknown", "", "", ""},
		{"GET", "/2015-03-31/functions/f/code/more/of/it", "", "", ""},
		{"GET", "/2015-03-31/functions/%zz", "", "", ""},
		{"GET", "/2015-03-31/functions/%", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path+"?"+tt.query, func(t *testing.T) {
			route, ok := router.Find(tt.method, tt.path, tt.query)
			name := ""
			if ok {
				name = route.Operation.Name
			}
			if name != tt.op || route.Labels[0] != tt.label {
				t.Errorf("Find = %q with label %q, want %q with %q", name, route.Labels[0], tt.op, tt.label)
			}
		})
	}
}

func BenchmarkRouter(b *testing.B) {
	router := awsapi.NewRouter(model.Service())
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := router.Find("POST", "/2015-03-31/functions/hello/invocations", ""); !ok {
			b.Fatal("no route")
		}
	}
}
