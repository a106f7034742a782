package identity

import (
	"context"

	"thaw/internal/iam"
	"thaw/internal/lambda"
)

const (
	keyActive   = "Active"
	keyInactive = "Inactive"
)

// keyRule is what the ID of an access key must be.
var keyRule = newRule(128, `\w{16,}`)

// keyShape is an access key as XML. Its secret is told once, when it is made.
type keyShape struct {
	UserName        string
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string `xml:",omitempty"`
	CreateDate      string
}

func shapeOfKey(k *iam.Key) keyShape {
	shape := keyShape{UserName: k.User, AccessKeyID: k.ID, Status: keyActive, CreateDate: stamp(k.CreatedAt)}
	if k.Disabled {
		shape.Status = keyInactive
	}
	return shape
}

func (h *Handler) createKey(_ context.Context, c *call) (any, error) {
	user, err := h.keyHolder(c)
	if err != nil {
		return nil, err
	}
	key, err := h.Directory.CreateKey(user)
	if err != nil {
		return nil, err
	}
	shape := shapeOfKey(&key)
	shape.SecretAccessKey = key.Secret
	return &struct{ AccessKey keyShape }{shape}, nil
}

func (h *Handler) listKeys(_ context.Context, c *call) (any, error) {
	user, err := h.keyHolder(c)
	if err != nil {
		return nil, err
	}
	keys, err := h.Directory.UserKeys(user)
	if err != nil {
		return nil, err
	}
	out := &struct {
		AccessKeyMetadata members[keyShape]
		IsTruncated       bool
	}{}
	for i := range keys {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, shapeOfKey(&keys[i]))
	}
	return out, nil
}

func (h *Handler) updateKey(_ context.Context, c *call) (any, error) {
	user, err := h.keyHolder(c)
	if err != nil {
		return nil, err
	}
	id, err := c.text("AccessKeyId", keyRule)
	if err != nil {
		return nil, err
	}
	status, err := c.text("Status", anyRule)
	if err != nil {
		return nil, err
	}
	if status != keyActive && status != keyInactive {
		return nil, lambda.Errorf(iam.CodeValidationError,
			"1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", status)
	}
	return nil, h.Directory.SetKey(user, id, status == keyActive)
}

func (h *Handler) deleteKey(_ context.Context, c *call) (any, error) {
	user, err := h.keyHolder(c)
	if err != nil {
		return nil, err
	}
	id, err := c.text("AccessKeyId", keyRule)
	if err != nil {
		return nil, err
	}
	return nil, h.Directory.DeleteKey(user, id)
}
