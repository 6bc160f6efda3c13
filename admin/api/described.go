package api

import (
	"maps"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/settings"
)

// describe writes the schemas of what settings describe: of changes, which may set it and
// must say all of it, and of answers.
func (d *document) describe() {
	why := properties{"reason": ref("Why")}
	d.schemas["AuditKind"] = object{"type": "string", "enum": idp.AuditKinds()}
	d.schemas["ProblemCode"] = object{"type": "string", "enum": []ProblemCode{
		ProblemCodeBadRequest, ProblemCodeUnauthorized, ProblemCodeInvalidToken, ProblemCodeInsufficientScope,
		ProblemCodeInsufficientUserAuthentication, ProblemCodeForbidden, ProblemCodeNotFound, ProblemCodeMethodNotAllowed,
		ProblemCodeConflict, ProblemCodeStale, ProblemCodeTooLarge, ProblemCodeUnsupportedMediaType, ProblemCodeUnprocessable,
		ProblemCodePreconditionRequired, ProblemCodeTooSoon, ProblemCodeFault,
	}}

	brand := d.thing("Brand", specs(settings.Brand()))
	d.sets("BrandChange", brand, nil, later(settings.Brand())...)
	registration := d.thing("Registration", specs(populations.RegistrationFields()))
	d.sets("RegistrationChange", registration, nil)
	access := d.thing("Access", specs(populations.AccessFields()))
	d.sets("AccessChange", access, why)
	policy := d.thing("MFAPolicy", specs(populations.PolicyFields()))
	d.sets("MFAPolicySettings", policy, nil)
	d.sets("MFAPolicyChange", policy, and(d.applying(populations.Immediately, populations.OnNextLogin), properties{"password_alone": flag()}), "password_alone")
	passwords := d.thing("PasswordRequirements", specs(populations.PasswordFields()))
	d.sets("PasswordRequirementsSettings", passwords, nil)
	d.sets("PasswordRequirementsChange", passwords, d.applying(populations.Immediately, populations.OnNextLogin, populations.OnlyNew))
	sessions := d.thing("SessionConfiguration", specs(populations.SessionFields()))
	d.sets("SessionConfigurationSettings", sessions, nil)
	d.sets("SessionConfigurationChange", sessions, why)
	override := d.thing("MFAOverride", specs(populations.OverrideFields()))
	d.sets("MFAOverrideSettings", override, nil, "min_acr", "federated")
	d.sets("MFAOverrideChange", override, d.applying(populations.Immediately, populations.OnNextLogin), "min_acr", "federated")
	role := d.thing("Role", specs(roles.RoleFields()))
	d.sets("RoleChange", role, why)
	client := d.thing("OAuthClient", specs(settings.Client()))
	chosen := properties{
		"id":     d.describedAs("NewOAuthClient", "id", object{"type": "string", "pattern": apps.ClientIDs, "minLength": 3, "maxLength": 100}),
		"secret": d.describedAs("NewOAuthClient", "secret", object{"type": "string", "pattern": apps.SecretForm, "minLength": 43, "maxLength": 200}),
	}
	d.sets("NewOAuthClient", client, chosen, without(and(client, chosen), "name", "kind")...)
	d.sets("OAuthClientChange", only(client, without(client, "kind")...), nil, later(settings.Client())...)
	d.describeConnection(why)
	d.describeInitialTokens()

	version := properties{"version": d.describedAs("Version", "version", object{"type": "integer", "format": "int64"})}
	d.says("Access", access, nil)
	d.says("Registration", registration, nil)
	d.says("MFAPolicy", policy, version)
	d.says("PasswordRules", passwords, nil)
	d.says("PasswordRequirements", passwords, and(version, properties{"at_sign_in": ref("PasswordRules")}), "at_sign_in")
	d.says("SessionConfiguration", sessions, version)
	d.says("MFAOverride", override, version)
	d.says("Role", role, and(version, properties{"id": text(), "system": flag(), "holders": number()}))
	d.says("OAuthClient", client, and(version, properties{"id": text(), "secrets": number(), "created_at": moment()}))
	d.says("CreatedOAuthClient", nil, properties{"client": ref("OAuthClient"), "secret": text()}, "secret")
	d.says("PopulationSettings", nil, properties{
		"access": ref("Access"), "registration": ref("Registration"), "session_idle": number(), "session_lifetime": number(),
		"password_min_length": number(), "mfa_policy": ref("MFAPolicy"),
	})
	d.says("Population", brand, and(version, properties{"id": text(), "settings": ref("PopulationSettings")}), "settings", "version")
}

// The schemas of what answers have beside settings.
func text() object   { return object{"type": "string"} }
func flag() object   { return object{"type": "boolean"} }
func number() object { return object{"type": "integer", "format": "int64"} }
func moment() object { return object{"type": "string", "format": "date-time"} }

// properties are those of an object.
type properties = map[string]object

// and are the properties of both.
func and(some, more properties) properties {
	some = maps.Clone(some)
	maps.Copy(some, more)
	return some
}

func specs[T any](fields settings.Fields[T]) (list []settings.Spec) {
	for _, f := range fields {
		list = append(list, f.Spec)
	}
	return list
}

// later are the fields that came after the first documents. Programs that were made of
// those do not send them, and what they change keeps them.
func later[T any](fields settings.Fields[T]) (names []string) {
	for _, f := range fields {
		if f.Later {
			names = append(names, f.Name)
		}
	}
	return names
}

// thing are the fields of what can be set. The values of a choice get a schema with a
// name: programs that are made of the document call their types by it.
func (d *document) thing(name string, specs []settings.Spec) properties {
	fields := properties{}
	for _, s := range specs {
		one, named := s.Schema(), name+camel(s.Name)
		items, several := one["items"].(object)
		switch {
		case s.Values != nil && several:
			d.schemas[named], one["items"] = items, ref(named)
		case s.Values != nil:
			d.schemas[named], one = d.describedAs(name, s.Name, one), ref(named)
		}
		fields[s.Name] = d.describedAs(name, s.Name, one)
		if s.Later {
			d.later = append(d.later, s.Name)
		}
	}
	return fields
}

func camel(name string) string {
	var out strings.Builder
	for _, word := range strings.Split(name, "_") {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

// applying is what goes with a change that applies at once or later.
func (d *document) applying(when ...populations.Apply) properties {
	name := "Apply"
	if slices.Contains(when, populations.OnlyNew) {
		name = "ApplyPasswords"
	}
	d.schemas[name] = d.describedAs("Apply", "apply", object{"type": "string", "enum": when})
	return properties{"apply": ref(name), "reason": ref("Why")}
}

// without are the names of fields apart from some.
func without(fields properties, some ...string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(name string) bool { return slices.Contains(some, name) })
}

func only(fields properties, names ...string) properties {
	some := properties{}
	for _, name := range names {
		some[name] = fields[name]
	}
	return some
}

// sets writes the schema of a body: its fields and no others, all required but some. A
// field of a settings column is newer than the body, and left out it has its default.
func (d *document) sets(name string, fields, more properties, optional ...string) {
	s := d.write(name, fields, more, slices.Concat(optional, d.later))
	s["additionalProperties"] = false
}

// says writes the schema of an answer, without the limits of what may be set.
func (d *document) says(name string, fields, more properties, optional ...string) {
	open := properties{}
	for field, one := range fields {
		open[field] = unlimited(one)
	}
	d.write(name, open, more, optional)
}

func (d *document) write(name string, fields, more properties, optional []string) object {
	all := properties{}
	for _, part := range []properties{fields, more} {
		for field, one := range part {
			all[field] = d.describedAs(name, field, one)
		}
	}
	s := object{"type": "object", "properties": all, "required": without(all, optional...)}
	d.schemas[name] = s
	return s
}

// unlimited is a schema without limits: what is there is said, and they may change.
func unlimited(s object) object {
	free := object{}
	for _, keyword := range []string{"$ref", "type", "format", "description"} {
		if value, ok := s[keyword]; ok {
			free[keyword] = value
		}
	}
	if items, ok := s["items"].(object); ok {
		free["items"] = unlimited(items)
	}
	return free
}
