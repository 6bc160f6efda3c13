package admin

import (
	"errors"
	"net/http"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// brand is how a population shows itself.
func brand() section[populations.PopulationEntry, idp.Brand] {
	type entry = populations.PopulationEntry
	x := populationSection("brand", "SaveBrand", settings.Brand(), func(p idp.Population) idp.Brand { return p.Brand })
	x.more = func(v *visit, _ entry, b idp.Brand, page *ui.ConsoleForm) error {
		color := &page.Inputs[1]
		color.Swatches = ui.Swatches(b.BrandColor, b.Name, v.text("console.brand.sample_button"), "console.brand.light", "console.brand.dark")
		color.Contrast = ui.ColorContrast(b.BrandColor)
		page.More = []ui.Button{{Field: ui.Field{Name: "preview", Value: "yes"}, Label: *ui.Key("console.brand.preview").With()}}
		return nil
	}
	x.save = func(v *visit, e entry, b idp.Brand) (int64, ui.Key, error) {
		saved, err := v.console.Manage.Populations.SaveBrand(v.Request.Context(), v.actor, change(v, e.ID, b))
		return saved.Version, "console.done.saved", err
	}
	return x
}

// newPopulation is the form of another population.
func (v *visit) newPopulation() error {
	if err := v.authorize("AddPopulation"); err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/authentication/new")
	}
	return v.renderNewPopulation(http.StatusOK, nil)
}

func (v *visit) renderNewPopulation(status int, wrong settings.Errors) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/new")
	if err != nil {
		return err
	}
	frame.Crumbs = v.crumbs()
	page := ui.ConsoleForm{Console: frame, Name: "console-brand-new", Heading: *ui.Key("console.brand.new").With()}
	page.Action, page.CancelURL = v.path("/authentication/new"), v.path("")
	page.Lead, page.Submit = *ui.Key("console.brand.new_lead").With(), *ui.Key("console.brand.add").With()
	for _, name := range []string{"name", "id"} {
		page.Inputs = append(page.Inputs, v.input("brand", settings.Spec{Name: name, Missing: "console.brand.id_hint"}, v.Request.PostForm))
	}
	page.Alert = placeErrors(page.Inputs, wrong, nil)
	return v.render(status, page)
}

// postPopulation adds a population.
func (v *visit) postPopulation() error {
	if err := v.authorize("AddPopulation"); err != nil {
		return err
	}
	id := strings.TrimSpace(v.PostForm("id"))
	var wrong settings.Errors
	_, err := v.console.Manage.Populations.AddPopulation(v.Request.Context(), v.actor, id, v.PostForm("name"))
	switch {
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/authentication/new")
	case errors.Is(err, idp.ErrConflict):
		return v.renderNewPopulation(http.StatusUnprocessableEntity, settings.Invalid("id", "console.brand.id_taken"))
	case errors.As(err, &wrong):
		return v.renderNewPopulation(http.StatusUnprocessableEntity, wrong)
	case err != nil:
		return err
	}
	return v.done("/authentication/"+id, "console.done.population_added")
}
