package queue

import (
	"context"
	"encoding/json"
	"slices"

	"thaw/internal/lambda"
)

// maxActions bounds the actions of one permission.
const maxActions = 7

// AddPermission lets accounts take actions on a queue: a statement in its policy.
func (s *Service) AddPermission(ctx context.Context, name, label string, accounts, actions []string) error {
	if len(actions) == 0 || len(actions) > maxActions {
		return lambda.Errorf(codeOverLimit, "%d Actions were found, maximum allowed is %d.", len(actions), maxActions)
	}
	statement := map[string]any{"Sid": label, "Effect": "Allow", "Resource": s.scope.QueueARN(name)}
	var principals, allowed []string
	for _, account := range accounts {
		principals = append(principals, "arn:"+s.scope.Partition+":iam::"+account+":root")
	}
	for _, action := range actions {
		allowed = append(allowed, "SQS:"+action)
	}
	statement["Principal"], statement["Action"] = map[string]any{"AWS": principals}, allowed
	return s.changePolicy(ctx, name, func(statements []map[string]any) ([]map[string]any, error) {
		if slices.ContainsFunc(statements, labelled(label)) {
			return nil, invalidValue("Value %s for parameter Label is invalid. Reason: Already exists.", label)
		}
		return append(statements, statement), nil
	})
}

// RemovePermission takes a statement away by its label.
func (s *Service) RemovePermission(ctx context.Context, name, label string) error {
	return s.changePolicy(ctx, name, func(statements []map[string]any) ([]map[string]any, error) {
		if !slices.ContainsFunc(statements, labelled(label)) {
			return nil, invalidValue("Value %s for parameter Label is invalid. Reason: can't find label on existing policy.", label)
		}
		return slices.DeleteFunc(statements, labelled(label)), nil
	})
}

func labelled(label string) func(map[string]any) bool {
	return func(statement map[string]any) bool { return statement["Sid"] == label }
}

// changePolicy changes the statements of a queue's policy. Without any it has none.
func (s *Service) changePolicy(ctx context.Context, name string, change func([]map[string]any) ([]map[string]any, error)) error {
	return s.update(ctx, name, func(q *lambda.Queue) error {
		policy := map[string]any{"Version": "2012-10-17", "Id": s.scope.QueueARN(name) + "/SQSDefaultPolicy"}
		var there struct{ Statement []map[string]any }
		if q.Policy != "" {
			// It was checked when it was set; one statement may stand for a list of it.
			if err := json.Unmarshal([]byte(q.Policy), &policy); err != nil {
				return err
			}
			if one, ok := policy["Statement"].(map[string]any); ok {
				there.Statement = append(there.Statement, one)
			} else if err := json.Unmarshal([]byte(q.Policy), &there); err != nil {
				return err
			}
		}
		statements, err := change(there.Statement)
		if err != nil {
			return err
		}
		if len(statements) == 0 {
			q.Policy = ""
			return nil
		}
		policy["Statement"] = statements
		text, err := json.Marshal(policy)
		if err != nil {
			return err
		}
		q.Policy = string(text)
		return s.checkPolicy(q.Policy)
	})
}
