package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// problemOf is why a move was refused; an error if that is no reason.
func problemOf(err error) (string, error) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", err
	}
	text := api.ErrorMessage()
	switch code := api.ErrorCode(); {
	case code == "ResourceNotFoundException":
		return missing404, nil
	case code == "PreconditionFailedException":
		return stale412, nil
	case code == "ResourceConflictException" && strings.Contains(text, "already exist"):
		return exists409, nil
	case code == "ResourceConflictException" && strings.Contains(text, "aliases point to it"):
		return named409, nil
	case code == "ResourceConflictException" && strings.Contains(text, "cannot be performed at this time"):
		return busy409, nil
	}
	return "", err
}

// do makes a move. The error is one that says nothing of what came of it.
func (l *linear) do(s *server, name string, m move) (seen outcome, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	switch m.do {
	case "createAlias", "updateAlias", "deleteAlias", "getAlias", "listAliases":
		err = doAlias(ctx, s.client, name, m, &seen)
	case "get", "listVersions", "listFunctions":
		err = doRead(ctx, s.client, name, m, &seen)
	default:
		err = l.doWrite(ctx, s.client, name, m, &seen)
	}
	if err != nil {
		problem, err := problemOf(err)
		return outcome{problem: problem}, err
	}
	return seen, nil
}

func (l *linear) doWrite(ctx context.Context, c *lambda.Client, name string, m move, seen *outcome) error {
	switch m.do {
	case "create":
		out, err := c.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: &name, Description: &m.value, Role: aws.String(role), Handler: aws.String("bootstrap"),
			Runtime: types.RuntimeProvidedal2023, Code: &types.FunctionCode{ZipFile: l.zips[m.code]}, Publish: m.publish,
		})
		if err == nil {
			seen.release = release{*out.Version, *out.Description, *out.CodeSha256}
		}
		return err
	case "update":
		out, err := c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Description: &m.value})
		if err == nil {
			seen.release = release{*out.Version, *out.Description, *out.CodeSha256}
		}
		return err
	case "code":
		out, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: l.zips[m.code], Publish: m.publish})
		if err == nil {
			seen.release = release{*out.Version, *out.Description, *out.CodeSha256}
		}
		return err
	case "publish":
		out, err := c.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &name})
		if err == nil {
			seen.release = release{*out.Version, *out.Description, *out.CodeSha256}
		}
		return err
	}
	in := &lambda.DeleteFunctionInput{FunctionName: &name}
	if m.do == "deleteVersion" {
		in.Qualifier = &m.version
	}
	_, err := c.DeleteFunction(ctx, in)
	return err
}

func doRead(ctx context.Context, c *lambda.Client, name string, m move, seen *outcome) error {
	show := func(f types.FunctionConfiguration) release {
		return release{*f.Version, *f.Description, *f.CodeSha256}
	}
	switch m.do {
	case "get":
		in := &lambda.GetFunctionInput{FunctionName: &name}
		if m.version != "" {
			in.Qualifier = &m.version
		}
		out, err := c.GetFunction(ctx, in)
		if err != nil {
			return err
		}
		if out.Configuration.State == types.StateFailed || out.Configuration.LastUpdateStatus == types.LastUpdateStatusFailed {
			return fmt.Errorf("the function is of no use: %s%s",
				aws.ToString(out.Configuration.StateReason), aws.ToString(out.Configuration.LastUpdateStatusReason))
		}
		seen.release = show(*out.Configuration)
	case "listVersions":
		out, err := c.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: &name})
		if err != nil {
			return err
		}
		for _, f := range out.Versions {
			seen.releases = append(seen.releases, show(f))
		}
	default:
		out, err := c.ListFunctions(ctx, &lambda.ListFunctionsInput{})
		if err != nil {
			return err
		}
		for _, f := range out.Functions {
			seen.aliases, seen.releases = append(seen.aliases, pointer{name: *f.FunctionName}), append(seen.releases, show(f))
		}
	}
	return nil
}

func doAlias(ctx context.Context, c *lambda.Client, name string, m move, seen *outcome) error {
	switch m.do {
	case "createAlias":
		out, err := c.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: &name, Name: &m.alias, FunctionVersion: &m.version, Description: &m.value})
		if err == nil {
			seen.alias = pointer{*out.Name, *out.FunctionVersion, *out.Description, *out.RevisionId}
		}
		return err
	case "updateAlias":
		in := &lambda.UpdateAliasInput{FunctionName: &name, Name: &m.alias, FunctionVersion: &m.version, Description: &m.value}
		if m.revision != "" {
			in.RevisionId = &m.revision
		}
		out, err := c.UpdateAlias(ctx, in)
		if err == nil {
			seen.alias = pointer{*out.Name, *out.FunctionVersion, *out.Description, *out.RevisionId}
		}
		return err
	case "deleteAlias":
		_, err := c.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: &name, Name: &m.alias})
		return err
	case "getAlias":
		out, err := c.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &name, Name: &m.alias})
		if err == nil {
			seen.alias = pointer{*out.Name, *out.FunctionVersion, *out.Description, *out.RevisionId}
		}
		return err
	}
	out, err := c.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: &name})
	if err != nil {
		return err
	}
	for _, a := range out.Aliases {
		seen.aliases = append(seen.aliases, pointer{*a.Name, *a.FunctionVersion, *a.Description, *a.RevisionId})
	}
	return nil
}
