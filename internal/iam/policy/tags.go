package policy

import (
	"slices"
	"strings"
)

// What begins the keys of tags. A Context that has the beginning itself as a key
// knows all tags of that kind: the others are not there.
const (
	resourceTag = "aws:resourcetag/"
	requestTag  = "aws:requesttag/"
	tagKeys     = "aws:tagkeys"
)

// SetResourceTags tells of the tags of the resource that a request is about.
func (c Context) SetResourceTags(tags map[string]string) { c.setTags(resourceTag, tags) }

// SetRequestTags tells of the tags that a request gives to a resource, and of the
// keys of tags that it names: those of the former, or those to be taken away.
func (c Context) SetRequestTags(tags map[string]string, untagged []string) {
	c.setTags(requestTag, tags)
	keys := slices.Clone(untagged)
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	c[tagKeys] = keys
}

// setTags leaves what cannot be told untold: the case of a condition's key does not
// count, that of a tag's does, and of two that differ in nothing else a condition is
// about one or the other.
func (c Context) setTags(prefix string, tags map[string]string) {
	c[prefix] = nil
	for key, value := range tags {
		key = prefix + strings.ToLower(key)
		if _, twice := c[key]; twice {
			delete(c, prefix)
			continue
		}
		c[key] = []string{value}
	}
	if _, known := c[prefix]; known {
		return
	}
	for key := range tags {
		delete(c, prefix+strings.ToLower(key))
	}
}

// knowsTag tells whether a key is that of a tag, of whose kind all are known.
func (c Context) knowsTag(key string) bool {
	for _, prefix := range []string{resourceTag, requestTag} {
		if strings.HasPrefix(key, prefix) {
			_, known := c[prefix]
			return known
		}
	}
	return false
}
