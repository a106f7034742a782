package main

import (
	"net/http"

	"thaw/internal/api/identity"
	apilambda "thaw/internal/api/lambda"
	"thaw/internal/iam"
	"thaw/internal/sigv4"
)

// openAccess prepares what callers are known and judged by: keys, roles, policies.
func (s *server) openAccess() (*iam.Access, *iam.Directory, error) {
	directory := iam.NewDirectory(s.catalog, s.config.Scope).WithUsers(s.keys)
	access, err := iam.NewAccess(iam.AccessOptions{
		Keyring: s.keys, Scope: s.config.Scope, Roles: directory, Vault: s.vault, Allowed: s.config.Networking.Allow,
	})
	return access, directory, err
}

// withIdentity puts STS and IAM beside the other APIs: their requests are forms.
func (s *server) withIdentity(next http.Handler, api *apilambda.Handler, keys sigv4.Keys) http.Handler {
	h := identity.New(identity.Options{
		Access: s.guests.access, Directory: s.guests.directory, Scope: s.config.Scope, Keys: keys, Trust: api.Trust, Logger: s.logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Ours(r) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
