package runtimeapi

import "crypto/subtle"

// metadataAge is how long what the metadata endpoint tells may be kept: twelve
// hours, as the service says; an environment does not move.
const metadataAge = "private, max-age=43200, immutable"

// serveMetadata tells where the environment is, to whoever has its token.
func serveMetadata(c *conn, _ []byte) reply {
	m := c.srv.opts.Metadata
	want := "Bearer " + m.Token
	if subtle.ConstantTimeCompare(c.req.header("authorization"), []byte(want)) == 0 {
		return failed(401, "Unauthorized", "missing or wrong token")
	}
	return reply{
		status: 200, contentType: jsonType, field: "Cache-Control", value: metadataAge,
		body: encode(struct {
			Zone string `json:"AvailabilityZoneID"`
		}{m.AvailabilityZoneID}),
	}
}
