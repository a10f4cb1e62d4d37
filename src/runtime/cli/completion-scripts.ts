// The scripts that complete command lines of `troupe` in a shell.
//
// What can follow is decided in one place for all of them, `completion.ts`: a script passes the command line up to the cursor to
// `troupe completion --line` and offers the answer, a candidate a line: what the last word becomes, and after a tab what that is. The
// answer `:files` means the names of files. No shell evaluates what is answered.

// `§{` stands for the `${` of shells, which would mean something in a template.
const shell = (script: string): string => script.replaceAll('§{', '${');

/** The scripts by shell. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: shell(String.raw`# Completes troupe in bash. In ~/.bashrc: eval "$(troupe completion bash)"
_troupe() {
  local line="§{COMP_LINE:0:COMP_POINT}" typed="§{COMP_WORDS[COMP_CWORD]}" breaks="§{COMP_WORDBREAKS//[^@:=]/}" word head= each
  word="§{line##*[[:space:]]}"
  COMPREPLY=()
  if [[ "$typed" == [\'\"]* ]]; then
    # bash replaces what stands in the quotes, as long as they are open.
    if [[ "§{typed:1}" == *[\'\"]* ]]; then return; fi
    head="§{line%"$typed"}"
    head="§{head##*[[:space:]]}"
  elif [[ "§{typed//\\?/}" == *[\'\"]* ]]; then
    return
  elif [[ -n "$breaks" && "$word" == *[$breaks]* ]]; then
    # bash cuts words at these, and replaces only what stands after the last of them.
    head="§{word%"§{word##*[$breaks]}"}"
  fi
  while IFS= read -r each; do
    if [[ "$each" == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r each; do COMPREPLY+=("$each"); done < <(compgen -f -- "§{word#"$head"}")
      return
    fi
    each="§{each%%$'\t'*}"
    each="§{each#"$head"}"
    # Nothing is quoted inside of quotes, so what would end them or be run in them is not offered there.
    if [[ "$typed" != [\'\"]* ]]; then
      each="$(printf %q "$each")"
    elif [[ "$each" == *[\'\"\$\`\\!]* ]]; then
      continue
    fi
    COMPREPLY+=("$each")
  done < <("$1" completion --line "$line" 2>/dev/null)
}
complete -F _troupe troupe
`),
  zsh: shell(String.raw`#compdef troupe
# Completes troupe in zsh. In ~/.zshrc, after compinit: eval "$(troupe completion zsh)"
_troupe() {
  local -a found candidates
  local each line="§{(j: :)§{(@q)words[1,CURRENT-1]}} $PREFIX"
  found=("§{(@f)$("$words[1]" completion --line "$line" 2>/dev/null)}")
  if [[ "$found[1]" == :files ]]; then
    _files
    return
  fi
  for each in $found; do
    candidates+=("§{§{§{each%%$'\t'*}//\\/\\\\}//:/\\:}:§{each#*$'\t'}")
  done
  _describe troupe candidates
}
compdef _troupe troupe
`),
  fish: shell(String.raw`# Completes troupe in fish: troupe completion fish > ~/.config/fish/completions/troupe.fish
function __troupe_complete
  set -l found (troupe completion --line (commandline -cp) 2>/dev/null)
  if test "$found[1]" = ':files'
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $found
  end
end
complete -c troupe -f -a '(__troupe_complete)'
`),
};
