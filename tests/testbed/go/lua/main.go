// Command lua runs a script as Argo CD does, with the same Lua and the same libraries: the script reads the global `obj`, and
// what it returns is printed as JSON. Standard input is a JSON object with `script` and `obj`.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var input struct {
		Script string `json:"script"`
		Obj    any    `json:"obj"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// The libraries of Argo CD (util/lua/lua.go). Of `os` it has only time and date.
	libraries := []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	}
	for _, library := range libraries {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return err
		}
	}
	state.PreloadModule(lua.OsLibName, openTime)
	state.SetGlobal("obj", luajson.DecodeValue(state, input.Obj))
	if err := state.DoString(input.Script); err != nil {
		return err
	}
	output, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n", output)
	return err
}

// openTime is the part of the library `os` that Argo CD allows, with a clock that stands still.
func openTime(state *lua.LState) int {
	module := state.NewTable()
	state.SetField(module, "date", state.NewFunction(func(state *lua.LState) int {
		state.Push(lua.LString("2026-01-02T03:04:05"))
		return 1
	}))
	state.Push(module)
	return 1
}
