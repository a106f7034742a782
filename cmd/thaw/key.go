package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// accessKey is one pair that signs requests.
type accessKey struct{ ID, Secret string }

// readKey reads the first key of the server's key file.
func readKey(dataDir string) (accessKey, error) {
	content, err := os.ReadFile(filepath.Join(dataDir, "keys.json"))
	if err != nil {
		return accessKey{}, err
	}
	var file struct {
		Keys []struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return accessKey{}, err
	}
	if len(file.Keys) == 0 {
		return accessKey{}, errors.New("there is none")
	}
	return accessKey{file.Keys[0].ID, file.Keys[0].Secret}, nil
}
