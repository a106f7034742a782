package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/iam/policy"
	"thaw/internal/lambda"
)

// ownLog is what an execution role needs for the function's log, in the policies of
// the provider that are for one kind of function each.
const ownLog = `"logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"`

// builtIn are policies of the provider that tools attach to the roles of
// functions, by the end of their ARNs, with what they mean here. What they say of
// services that are not here counts where functions use those through this server.
var builtIn = [...]catalog.Document{
	{Name: "AdministratorAccess", Text: FullAccess},
	{Name: "AWSLambda_FullAccess", Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:*","cloudwatch:ListMetrics","cloudwatch:GetMetricData","logs:Describe*","logs:Get*","logs:FilterLogEvents","logs:StartLiveTail","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles"],"Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}]}`},
	{Name: "AWSLambda_ReadOnlyAccess", Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:Get*","lambda:List*","cloudwatch:ListMetrics","cloudwatch:GetMetricData","logs:Describe*","logs:Get*","logs:FilterLogEvents","logs:StartLiveTail","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles"],"Resource":"*"}]}`},
	{Name: "AWSXRayDaemonWriteAccess", Text: allowAll(`"xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"`)},
	{Name: "AmazonS3FullAccess", Text: allowAll(`"s3:*"`)},
	{Name: "AmazonS3ReadOnlyAccess", Text: allowAll(`"s3:Get*","s3:List*","s3:Describe*"`)},
	{Name: "AmazonSNSFullAccess", Text: allowAll(`"sns:*"`)},
	{Name: "AmazonSQSFullAccess", Text: allowAll(`"sqs:*"`)},
	{Name: "CloudWatchLambdaInsightsExecutionRolePolicy", Text: allowAll(ownLog)},
	{Name: "CloudWatchLogsFullAccess", Text: allowAll(`"logs:*"`)},
	{Name: "CloudWatchLogsReadOnlyAccess", Text: allowAll(`"logs:Describe*","logs:Get*","logs:List*","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail"`)},
	{Name: "service-role/AWSLambdaBasicExecutionRole", Text: allowAll(ownLog)},
	{Name: "service-role/AWSLambdaDynamoDBExecutionRole", Text: allowAll(`"dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams",` + ownLog)},
	{Name: "service-role/AWSLambdaKinesisExecutionRole", Text: allowAll(`"kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard",` + ownLog)},
	{Name: "service-role/AWSLambdaMSKExecutionRole", Text: allowAll(`"kafka:DescribeCluster","kafka:DescribeClusterV2","kafka:GetBootstrapBrokers",` + ownLog)},
	{Name: "service-role/AWSLambdaRole", Text: allowAll(`"lambda:InvokeFunction"`)},
	{Name: "service-role/AWSLambdaSQSQueueExecutionRole", Text: allowAll(`"sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes",` + ownLog)},
	{Name: "service-role/AWSLambdaVPCAccessExecutionRole", Text: allowAll(ownLog)},
}

// allowAll is a document that allows actions on everything.
func allowAll(actions string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}]}`
}

// BuiltIn finds a policy of the provider by its ARN.
func BuiltIn(arn, partition string) (catalog.Document, bool) {
	name, ok := strings.CutPrefix(arn, "arn:"+partition+":iam::aws:policy/")
	if !ok {
		return catalog.Document{}, false
	}
	for _, p := range builtIn {
		if p.Name == name {
			return p, true
		}
	}
	return catalog.Document{}, false
}

// BuiltInARNs lists the ARNs of the policies of the provider.
func BuiltInARNs(partition string) (arns []string) {
	for _, p := range builtIn {
		arns = append(arns, "arn:"+partition+":iam::aws:policy/"+p.Name)
	}
	return arns
}

func noPolicy(arn string) error {
	return lambda.Errorf(CodeNoSuchEntity, "Policy %s does not exist or is not attachable.", arn)
}

// Policies lists the managed policies of the account, sorted by name.
func (d *Directory) Policies() (list []*catalog.ManagedPolicy) {
	for _, p := range d.catalog.Policies() {
		list = append(list, p.Policy)
	}
	return list
}

// Attachments counts the roles and users that have a managed policy.
func (d *Directory) Attachments(arn string) (n int) {
	for _, r := range d.catalog.Roles() {
		if slices.Contains(r.Role.AttachedPolicyARNs, arn) {
			n++
		}
	}
	return n + len(d.UsersWith(arn))
}

// CreatePolicy makes a managed policy with one version.
func (d *Directory) CreatePolicy(ctx context.Context, p catalog.ManagedPolicy, text string) (*catalog.ManagedPolicy, error) {
	if err := d.check(text, policy.Identity, maxManagedDocument); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.catalog.Policy(p.Name); ok {
		return nil, lambda.Errorf(CodeEntityAlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
	}
	if len(d.catalog.Policies()) >= maxManagedPolicies {
		return nil, exceeded("PoliciesPerAccount", maxManagedPolicies)
	}
	p.ID, p.CreatedAt = newID(managedPolicyPrefix), time.Now().UTC().Truncate(time.Second)
	p.UpdatedAt, p.Default, p.LastVersion = p.CreatedAt, "v1", 1
	p.Versions = []catalog.DocumentVersion{{ID: "v1", Text: text, CreatedAt: p.CreatedAt}}
	record, err := d.catalog.PutPolicy(ctx, &p, 0)
	return record.Policy, written(err)
}

// changePolicy is changeRole for managed policies.
func (d *Directory) changePolicy(ctx context.Context, arn string, edit func(*catalog.ManagedPolicy) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.PolicyByARN(arn)
	if !ok {
		return NoSuchPolicy(arn)
	}
	record, _ := d.catalog.Policy(found.Name)
	p := *record.Policy
	if err := edit(&p); err != nil {
		return err
	}
	p.UpdatedAt = time.Now().UTC().Truncate(time.Second)
	_, err := d.catalog.PutPolicy(ctx, &p, record.Revision)
	return written(err)
}

// NoSuchPolicy is the error for an ARN that names no managed policy.
func NoSuchPolicy(arn string) error {
	return lambda.Errorf(CodeNoSuchEntity, "Policy %s was not found.", arn)
}

// AddVersion gives a managed policy a new document, which counts from now on if it
// is made the default.
func (d *Directory) AddVersion(ctx context.Context, arn, text string, asDefault bool) (v catalog.DocumentVersion, err error) {
	if err := d.check(text, policy.Identity, maxManagedDocument); err != nil {
		return v, err
	}
	err = d.changePolicy(ctx, arn, func(p *catalog.ManagedPolicy) error {
		if len(p.Versions) >= maxPolicyVersions {
			return lambda.Errorf(CodeLimitExceeded,
				"A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxPolicyVersions)
		}
		p.LastVersion++
		v = catalog.DocumentVersion{ID: "v" + strconv.Itoa(p.LastVersion), Text: text, CreatedAt: time.Now().UTC().Truncate(time.Second)}
		p.Versions = append(slices.Clone(p.Versions), v)
		if asDefault {
			p.Default = v.ID
		}
		return nil
	})
	return v, err
}

// SetDefault chooses the version that counts.
func (d *Directory) SetDefault(ctx context.Context, arn, id string) error {
	return d.changePolicy(ctx, arn, func(p *catalog.ManagedPolicy) error {
		if FindVersion(p, id) == nil {
			return noVersion(arn, id)
		}
		p.Default = id
		return nil
	})
}

// FindVersion finds a version; nil if there is none.
func FindVersion(p *catalog.ManagedPolicy, id string) *catalog.DocumentVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

func noVersion(arn, id string) error {
	return lambda.Errorf(CodeNoSuchEntity, "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// DeleteVersion removes a version that is not the default.
func (d *Directory) DeleteVersion(ctx context.Context, arn, id string) error {
	return d.changePolicy(ctx, arn, func(p *catalog.ManagedPolicy) error {
		switch {
		case FindVersion(p, id) == nil:
			return noVersion(arn, id)
		case p.Default == id:
			return lambda.Errorf(CodeDeleteConflict, "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(slices.Clone(p.Versions), func(v catalog.DocumentVersion) bool { return v.ID == id })
		return nil
	})
}

// DeletePolicy removes a managed policy that nobody has and whose versions, but
// for the default one, are deleted.
func (d *Directory) DeletePolicy(ctx context.Context, arn string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.PolicyByARN(arn)
	switch {
	case !ok:
		return NoSuchPolicy(arn)
	case d.Attachments(arn) > 0:
		return lambda.Errorf(CodeDeleteConflict, "Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return lambda.Errorf(CodeDeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	record, _ := d.catalog.Policy(p.Name)
	return written(d.catalog.DeletePolicy(ctx, p.Name, record.Revision))
}
