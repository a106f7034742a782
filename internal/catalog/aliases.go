package catalog

import "thaw/internal/lambda"

type aliasFormat struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Version     string          `json:"version"`
	Additional  *weightedFormat `json:"additional,omitempty"`
	RevisionID  string          `json:"revisionId"`
}

type weightedFormat struct {
	Number string  `json:"number"`
	Weight float64 `json:"weight"`
}

func formatAliases(aliases []lambda.Alias) []aliasFormat {
	var formats []aliasFormat
	for _, a := range aliases {
		formats = append(formats, aliasFormat{Name: a.Name, Description: a.Description, Version: a.Version,
			Additional: (*weightedFormat)(a.Additional), RevisionID: a.RevisionID})
	}
	return formats
}

func aliasesOf(formats []aliasFormat) []lambda.Alias {
	var aliases []lambda.Alias
	for _, f := range formats {
		aliases = append(aliases, lambda.Alias{Name: f.Name, Description: f.Description, Version: f.Version,
			Additional: (*lambda.WeightedVersion)(f.Additional), RevisionID: f.RevisionID})
	}
	return aliases
}
