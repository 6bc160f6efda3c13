package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// brand is the page of how a population shows itself.
func (v *visit) brand() error {
	p, err := v.branded()
	if err != nil {
		return err
	}
	return v.renderBrand(http.StatusOK, p, p, nil, nil)
}

// branded is the population that the address names.
func (v *visit) branded() (manage.PopulationEntry, error) {
	if err := v.need("SaveBrand"); err != nil {
		return manage.PopulationEntry{}, err
	}
	id := v.Param("population")
	if !identifier.MatchString(id) {
		return manage.PopulationEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Population(v.Request.Context(), v.actor, id)
}

// renderBrand shows a brand as it stands, or as somebody wants it.
func (v *visit) renderBrand(status int, now, wanted manage.PopulationEntry, wrong error, alert *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+now.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs, frame.Alert = v.crumbs(), v.tabs(now.Population, "brand"), alert
	page := ui.ConsoleBrand{
		Console: frame, Action: v.path("/authentication/" + now.ID + "/brand"), PopulationName: populationLabel(now.Population),
		Version: now.Version, Name: wanted.Name, Color: wanted.BrandColor, ColorContrast: ui.ColorContrast(wanted.BrandColor),
		Swatches: ui.Swatches(wanted.BrandColor, wanted.Name, v.text("console.brand.sample_button"), "console.brand.light", "console.brand.dark"),
		LogoURL:  wanted.LogoURL, HelpURL: wanted.HelpURL, PrivacyURL: wanted.PrivacyURL,
	}
	placeError(wrong, map[string]**ui.Message{
		"name": &page.NameError, "brand_color": &page.ColorError, "logo_url": &page.LogoError,
		"help_url": &page.HelpError, "privacy_url": &page.PrivacyError,
	}, &page.Alert)
	return v.render(status, page)
}

// postBrand saves a brand, or only shows it.
func (v *visit) postBrand() error {
	now, err := v.branded()
	if err != nil {
		return err
	}
	wanted := now
	wanted.Version, wanted.Name = v.seenVersion(), strings.TrimSpace(v.PostForm("name"))
	wanted.BrandColor = strings.ToLower(strings.TrimSpace(v.PostForm("brand_color")))
	wanted.LogoURL, wanted.HelpURL = strings.TrimSpace(v.PostForm("logo_url")), strings.TrimSpace(v.PostForm("help_url"))
	wanted.PrivacyURL = strings.TrimSpace(v.PostForm("privacy_url"))
	if wanted.Version != now.Version {
		return v.renderBrand(http.StatusConflict, now, now, nil, ui.Key("console.error.stale").With())
	}
	if v.PostForm("preview") != "" {
		return v.renderBrand(http.StatusOK, now, wanted, v.checkColor(wanted.BrandColor), nil)
	}
	saved, err := v.console.Manage.SaveBrand(v.Request.Context(), v.actor, now.ID, manage.BrandChange{
		Version: wanted.Version, Name: wanted.Name, BrandColor: wanted.BrandColor, LogoURL: wanted.LogoURL,
		HelpURL: wanted.HelpURL, PrivacyURL: wanted.PrivacyURL,
	})
	switch {
	case errors.Is(err, idp.ErrInvalid):
		return v.renderBrand(http.StatusUnprocessableEntity, now, wanted, err, nil)
	case errors.Is(err, idp.ErrConflict):
		if now, err = v.branded(); err != nil {
			return err
		}
		return v.renderBrand(http.StatusConflict, now, now, nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	}
	return v.saved("/authentication/"+now.ID+"/brand", wanted.Version, saved.Version, "console.done.saved")
}

// checkColor says of a colour that is only shown whether it is one.
func (v *visit) checkColor(color string) error {
	if _, err := ui.ParseColor(color); color != "" && err != nil {
		return &manage.FieldError{Field: "brand_color", Reason: v.text("console.brand.no_color")}
	}
	return nil
}

// newPopulation is the form of another population.
func (v *visit) newPopulation() error {
	if err := v.need("AddPopulation"); err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/authentication/new")
	}
	return v.renderNewPopulation(http.StatusOK, nil)
}

func (v *visit) renderNewPopulation(status int, wrong error) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/new")
	if err != nil {
		return err
	}
	frame.Crumbs = v.crumbs()
	page := ui.ConsoleBrandNew{
		Console: frame, Action: v.path("/authentication/new"), CancelURL: v.path(""), ID: v.PostForm("id"), Name: v.PostForm("name"),
	}
	var field *manage.FieldError
	switch {
	case errors.Is(wrong, idp.ErrConflict):
		page.IDError = ui.Key("console.brand.id_taken").With()
	case errors.As(wrong, &field) && field.Field == "id":
		page.IDError = ui.Key("console.error.field").With(field.Reason)
	case errors.As(wrong, &field) && field.Field == "name":
		page.NameError = ui.Key("console.error.field").With(field.Reason)
	case field != nil:
		page.Alert = ui.Key("console.error.field").With(field.Reason)
	}
	return v.render(status, page)
}

// postPopulation adds a population.
func (v *visit) postPopulation() error {
	if err := v.need("AddPopulation"); err != nil {
		return err
	}
	id := strings.TrimSpace(v.PostForm("id"))
	var err error
	if id == "new" { // this page's address
		err = fmt.Errorf("%w: population", idp.ErrConflict)
	} else {
		_, err = v.console.Manage.AddPopulation(v.Request.Context(), v.actor, id, v.PostForm("name"))
	}
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/authentication/new")
	case errors.Is(err, idp.ErrConflict), errors.Is(err, idp.ErrInvalid):
		return v.renderNewPopulation(http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	return v.done("/authentication/"+id, "console.done.population_added")
}
