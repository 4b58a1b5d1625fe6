package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// globalOptions are the options of every command.
type globalOptions struct {
	Help    helpFlag    `short:"h" group:"global" common:"Show help." help:"Show help and exit."`
	HelpAll helpAllFlag `group:"global" common:"Show help with all options." help:"Show help with all options and exit."`
	Config  string      `group:"global" common:"YAML file with options." placeholder:"FILE" help:"YAML file with options, by the names of the flags; see etl config."`
}

// helpFlag prints the help that fits on a screen instead of running a command.
type helpFlag bool

// BeforeReset is called by kong as soon as the flag is read.
func (helpFlag) BeforeReset(ctx *kong.Context, s *settings) error { return printHelp(ctx, s, false) }

// helpAllFlag prints help with all options instead of running a command.
type helpAllFlag bool

// BeforeReset is called by kong as soon as the flag is read.
func (helpAllFlag) BeforeReset(ctx *kong.Context, s *settings) error { return printHelp(ctx, s, true) }

// fewOptions is how many options a command may have whose help shows all of them. The help of the others shows the options
// with a tag common, which holds a text of one line.
const fewOptions = 20

// printHelp prints the help of the selected command. It returns errDone.
func printHelp(ctx *kong.Context, s *settings, all bool) error {
	withoutDefaultCommand(ctx)
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
		defer withoutCommandsBelow(node, configNode)()
	}
	var hidden []*kong.Flag
	flags := flagsOf(node)
	if !all && len(flags) > fewOptions {
		for _, f := range flags {
			if !f.Tag.Has("common") && !f.Hidden {
				hidden = append(hidden, f)
				f.Hidden = true
			}
		}
		defer func() {
			for _, f := range hidden {
				f.Hidden = false
			}
		}()
	}
	s.detail = detailUsual
	switch {
	case all:
		s.detail = detailAll
	case len(hidden) > 0:
		s.detail = detailBrief
	}
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	if len(hidden) > 0 {
		fmt.Fprintf(ctx.Stdout, "\nRun \"%s --help-all\" for all %d options.\n", node.FullPath(), len(flags))
	}
	return errDone
}

// withoutCommandsBelow makes help list one command of root without the commands below it, until restore is called.
func withoutCommandsBelow(root *kong.Node, name string) (restore func()) {
	i := slices.IndexFunc(root.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return func() {}
	}
	node := root.Children[i]
	children := node.Children
	node.Children = nil
	return func() { node.Children = children }
}

// withoutDefaultCommand selects the parent of a command that is selected because none is named, so that help lists them.
func withoutDefaultCommand(ctx *kong.Context) {
	node := ctx.Selected()
	if node == nil || node.Parent == nil || node.Parent.DefaultCmd != node || slices.Contains(ctx.Args, node.Name) {
		return
	}
	ctx.Path = slices.DeleteFunc(ctx.Path, func(p *kong.Path) bool { return p.Command == node })
}

// flagsOf returns the flags of a node and of its parents.
func flagsOf(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, level := range node.AllFlags(false) {
		flags = append(flags, level...)
	}
	return flags
}

// detail is how much help says of an option.
type detail int

const (
	detailUsual detail = iota // the whole text
	detailBrief               // one line, for help that shows the common options alone
	detailAll                 // the whole text, and the variable's name
)

// optionHelp returns the help of an option.
func (s *settings) optionHelp(v *kong.Value) string {
	switch {
	case s.detail == detailBrief && v.Flag != nil && v.Tag.Has("common"):
		return v.Tag.Get("common")
	case s.detail == detailAll && v.Flag != nil && len(v.Flag.Envs) > 0:
		return strings.TrimSuffix(v.Help, ".") + " ($" + strings.Join(v.Flag.Envs, ", $") + ")."
	}
	return v.Help
}
