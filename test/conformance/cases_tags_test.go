package conformance_test

import (
	"fmt"
	"strings"
)

func tagCases() []derived {
	cases := []derived{
		{suite: api, name: "TestLambdaTag::test_create_tag_on_esm_create", steps: func(r *run) {
			r.createUsual("", nil)
			made := r.call("", "CreateEventSourceMapping", m{
				"FunctionName": r.fn, "EventSourceArn": queueARN(r.fn), "Tags": m{"testtag": "custom-" + r.fn},
			})
			r.removeSource(made)
			got := r.call("", "GetEventSourceMapping", m{"UUID": made["UUID"]})
			r.set("get_event_source_mapping_with_tag", got["EventSourceMappingArn"] == made["EventSourceMappingArn"])
			r.call("list_tags_result", "ListTags", m{"Resource": made["EventSourceMappingArn"]})
		}},
		{suite: api, name: "TestLambdaTags::test_tag_limits", steps: tagLimits},
		{suite: api, name: "TestLambdaTags::test_tag_versions", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("", "PublishVersion", m{"FunctionName": r.fn})
			r.call("tag_resource_exception", "TagResource", m{"Resource": r.arn("1"), "Tags": m{"key": "value"}})
			r.call("tag_resource_latest_exception", "TagResource", m{"Resource": r.arn("$LATEST"), "Tags": m{"key": "value"}})
		}},
	}
	return append(cases, each(api, "TestLambdaTag::test_tag_exceptions", func(r *run) {
		kind := strings.TrimPrefix(strings.ReplaceAll(r.param, "_", "-"), "lambda-")
		name := "3f8a4c1e-0d5b-4b7a-9c64-2f1f6b7d8e90" // fits every kind
		r.bind("<resource-name>", name)
		resource := func(kind string) string { return "arn:aws:lambda:" + region + ":" + account + ":" + kind + ":" + name }
		r.call("not_found_exception_tag", "TagResource", m{"Resource": resource(kind), "Tags": m{"key": "value"}})
		r.call("not_found_exception_untag", "UntagResource", m{"Resource": resource(kind), "TagKeys": []any{"key"}})
		r.call("not_found_exception_list", "ListTags", m{"Resource": resource(kind)})
		r.call("aliased_arn_exception", "TagResource", m{"Resource": resource(kind) + ":alias", "Tags": m{"key": "value"}})
		r.call("invalid_arn_exception", "TagResource", m{"Resource": resource("foobar"), "Tags": m{"key": "value"}})
	}, "capacity_provider", "event_source_mapping", "lambda_function")...)
}

// tags makes so many.
func tags(n int) m {
	all := make(m)
	for i := range n {
		all[fmt.Sprintf("%d_key", i)] = fmt.Sprintf("%d_value", i)
	}
	return all
}

func tagLimits(r *run) {
	const limit = 50
	r.call("create_function_invalid_tags", "CreateFunction", r.usual(m{"Tags": tags(limit + 1)}))
	r.createUsual("", nil)
	tag := func(name string, tags m) { r.call(name, "TagResource", m{"Resource": r.arn(), "Tags": tags}) }
	tag("tag_lambda_too_many_tags", tags(limit+1))
	tag("tag_response", tags(limit))
	r.call("list_tags_response", "ListTags", m{"Resource": r.arn()})
	r.call("get_fn_response", "GetFunction", m{"FunctionName": r.fn})
	tag("tag_lambda_too_many_tags_additional", m{"a_key": "a_value"})
}
