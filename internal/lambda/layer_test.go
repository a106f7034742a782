package lambda_test

import (
	"testing"

	"thaw/internal/lambda"
)

func TestParseLayerRef(t *testing.T) {
	const arn = "arn:aws:lambda:eu-central-1:123456789012:layer:"
	for s, want := range map[string]lambda.LayerRef{
		"my-layer_1":                            {Name: "my-layer_1"},
		arn + "l":                               {Name: "l", Region: "eu-central-1", Account: "123456789012"},
		arn + "l:7":                             {Name: "l", Region: "eu-central-1", Account: "123456789012", Version: 7},
		arn + "l:0":                             {Name: "l", Region: "eu-central-1", Account: "123456789012"},
		"":                                      {},
		"l:7":                                   {},
		"arn:":                                  {},
		arn:                                     {},
		arn + "l:7:8":                           {},
		arn + "l:-":                             {},
		arn + "l:seven":                         {},
		arn + "l:9223372036854775808":           {},
		"arn:aws:lambda:::awslayer:AmazonLinux": {},
		"arn:aws:s3:eu-central-1:123456789012:layer:l":              {},
		"arn:aws:lambda:eu-central-1:123456789012:function:l":       {},
		"arn:aws:lambda:eu-central-1:123456789012:function:layer:1": {},
	} {
		got, ok := lambda.ParseLayerRef(s)
		if got != want || ok != (want != lambda.LayerRef{}) {
			t.Errorf("%q is %+v, %t", s, got, ok)
		}
	}
}

func TestLayerARNs(t *testing.T) {
	scope := lambda.Scope{Partition: "aws", Region: "eu-central-1", Account: "123456789012"}
	for _, version := range []int64{0, 1, 12} {
		want := lambda.LayerRef{Name: "l", Region: scope.Region, Account: scope.Account, Version: version}
		arn := scope.LayerARN("l")
		if version > 0 {
			arn = scope.LayerVersionARN("l", version)
		}
		if got, ok := lambda.ParseLayerRef(arn); !ok || got != want {
			t.Errorf("%q is %+v, %t", arn, got, ok)
		}
	}
}
