using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>What shells complete by the scripts of <c>pdengine completion</c>.</summary>
public sealed class CompletionTests
{
    private const string InBash = """
        source "$1"
        IFS=' ' read -r -a COMP_WORDS <<< "$2"
        [[ $2 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _pdengine
        printf '%s\n' "${COMPREPLY[@]}"
        """;

    /// <summary>A terminal of its own, in which the line is typed and the key pressed.</summary>
    private const string InZsh = """
        zmodload zsh/zpty && zpty shell zsh -f -i || exit 1
        zpty -w shell "autoload -U compinit; compinit -u -D; source '$1'
        compadd() {
          local -a hits; builtin compadd -A hits \"\$@\"; print -rl -- \$hits >> '$3'
          builtin compadd \"\$@\"
        }
        done-now() { print -r -- '+done' >> '$3' }
        zle -N done-now; bindkey '^I' complete-word; bindkey '^X' done-now; print -r -- '+ready' >> '$3'"
        until-has() {
          for ((i = 0; i < 1200; i++)); do grep -q $1 $2 2>/dev/null && return; sleep 0.05; done; exit 1
        }
        until-has +ready "$3"
        zpty -n -w shell "$2"$'\t\x18'
        until-has +done "$3"
        zpty -d shell
        grep -v '^+' "$3"; true
        """;

    private const string InFish = """
        source $argv[1]
        complete -C $argv[2] | string split -f 1 \t | string trim -r -c /; true
        """;

    [Test]
    public async Task Shells_complete(
        [Values("bash", "zsh", "fish")] string shell, [ValueSource(nameof(Lines))] string[] row)
    {
        string line = row[0];
        string[] wanted = row[1].Split(',', StringSplitOptions.RemoveEmptyEntries);
        IgnoreWithout(shell);
        string folder = TestFiles.Scratch();
        File.WriteAllText(Path.Combine(folder, "model.gguf"), "");
        Directory.CreateDirectory(Path.Combine(folder, "model-b"));
        string[] made = await CompleteAsync(shell, line.Replace("FOLDER", folder));
        // What a shell adds for a file may be its name alone, each folder on the way, or the flag besides.
        string last = line.Split(' ', '/', '=')[^1];
        string[] names = [.. made.Select(one => one.Split('/', '=')[^1])
            .Where(one => one.StartsWith(last, StringComparison.Ordinal))
            .Distinct().Order(StringComparer.Ordinal)];
        Assert.That(names, Is.EqualTo(wanted), string.Join('\n', made));
    }

    [Test]
    public async Task A_value_behind_an_equals_sign_is_completed([Values("zsh", "fish")] string shell)
    {
        IgnoreWithout(shell);
        string[] made = await CompleteAsync(shell, "pdengine generate --backend=c");
        Assert.That(made.Select(one => one.Split('=')[^1]), Is.EqualTo(new[] { "cpu", "cuda" }));
    }

    [TestCase("zsh", "-n")]
    [TestCase("fish", "--no-execute")]
    public async Task A_script_has_every_flag_and_the_shell_can_read_it(string shell, string flag)
    {
        PdEngineRun script = await PdEngineRun.HereAsync("completion", shell);
        Assert.That(script.ExitCode, Is.Zero);
        Assert.That(script.Out, Does.Contain("--max-new-tokens").Or.Contain("-l max-new-tokens"));
        string file = Path.Combine(TestFiles.Scratch(), "script");
        File.WriteAllText(file, script.Out);
        IgnoreWithout(shell);
        PdEngineRun run = Run(shell, flag, file);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
    }

    [Test]
    public async Task A_description_ends_with_its_sentence_and_not_within_a_word()
    {
        PdEngineRun script = await PdEngineRun.HereAsync("completion", "fish");
        Assert.That(script.Out,
            Does.Contain("for example cuda:0,cuda:0'").And.Contain("Branch, tag or commit'"));
    }

    /// <summary>A line, and what its last word may become.</summary>
    private static IEnumerable<string[]> Lines() =>
    [
        ["pdengine mod", "model"],
        ["pdengine model ", "convert,info,pull"],
        ["pdengine bench ker", "kernels"],
        ["pdengine doctor --cuda", "--cuda-driver"],
        ["pdengine model pull --rev", "--revision"],
        ["pdengine generate --backend c", "cpu,cuda"],
        ["pdengine generate --model FOLDER/mod", "model-b,model.gguf"],
        ["pdengine generate -m FOLDER/model.", "model.gguf"],
        ["pdengine model info FOLDER/model.g", "model.gguf"],
        ["pdengine generate --model x --backend=cpu --max-new-t", "--max-new-tokens"],
        ["pdengine generate --system model hello --max-new-t", "--max-new-tokens"],
        ["pdengine completion ", "bash,fish,zsh"],
        ["pdengine generate --seed ", ""],
        ["pdengine doctor --j", "--json"],
    ];

    private static async Task<string[]> CompleteAsync(string shell, string line)
    {
        string folder = TestFiles.Scratch();
        string script = Path.Combine(folder, "script"), harness = Path.Combine(folder, "harness");
        PdEngineRun made = await PdEngineRun.HereAsync("completion", shell);
        File.WriteAllText(script, made.Out);
        (string text, string flag) = shell switch
        {
            "bash" => (InBash, "--norc"),
            "zsh" => (InZsh, "-f"),
            _ => (InFish, "--no-config"),
        };
        File.WriteAllText(harness, text + "\n");
        PdEngineRun run = Run(shell, flag, harness, script, line, Path.Combine(folder, "heard"));
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")), run.Out);
        return run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static void IgnoreWithout(string shell)
    {
        if (Run("sh", "-c", $"command -v {shell}").ExitCode != 0)
            Assert.Ignore($"there is no {shell} here (apt-get install {shell})");
    }

    private static PdEngineRun Run(string command, params string[] arguments)
    {
        ProcessStartInfo start = new(command, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // What fish remembers stays out of the user's home, and no screen is drawn.
        string home = TestFiles.Scratch();
        foreach (string name in (string[])["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"])
            start.Environment[name] = home;
        start.Environment["TERM"] = "dumb";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new(process.ExitCode, output, error.Result);
    }
}
