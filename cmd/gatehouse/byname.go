package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/admin/apiclient"
)

// rolesNamed are the ids of roles that are given by id or by name.
func (r *remote) rolesNamed(given []string) ([]string, error) {
	ids := slices.Clone(given)
	var all []struct{ ID, Name string }
	for item, err := range r.api.List(r.ctx, apiclient.Request{Method: http.MethodGet, Path: "/roles"}, "roles") {
		var one struct{ ID, Name string }
		if err == nil {
			err = json.Unmarshal(item, &one)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for i, name := range given {
		var found []string
		for _, one := range all {
			if one.ID == name {
				found = []string{one.ID}
				break
			}
			if strings.EqualFold(one.Name, name) {
				found = append(found, one.ID)
			}
		}
		switch len(found) {
		case 0: // the API says what there is not
		case 1:
			ids[i] = found[0]
		default:
			return nil, fmt.Errorf("several roles are called %s: say the id, one of %s", name, strings.Join(found, ", "))
		}
	}
	return ids, nil
}

// rolesGiven are rolesNamed where there are any: listing roles takes a permission.
func (r *remote) rolesGiven(given []string) ([]string, error) {
	if len(given) == 0 {
		return given, nil
	}
	return r.rolesNamed(given)
}
