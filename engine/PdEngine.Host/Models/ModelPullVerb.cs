using System.CommandLine;
using System.IO.Enumeration;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary><c>pdengine model pull</c>: fetches a model from a hub.</summary>
internal sealed class ModelPullVerb
{
    private const int MostParallel = 32;

    private static readonly string[] Wanted =
        ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.md", "tokenizer.model", "LICENSE*"];

    private readonly Argument<string> _repo = new("REPO")
    {
        Description = "Owner and name on the hub, for example Qwen/Qwen3-0.6B.",
    };

    private readonly Option<string> _revision = new("--revision")
    {
        Description = "Branch, tag or commit.", DefaultValueFactory = _ => "main", HelpName = "NAME",
    };

    private readonly Option<string?> _to = new("--to")
    {
        Description = "Folder that the files go to; absent: one of the model's name, here.",
        HelpName = "FOLDER",
    };

    private readonly Option<string> _endpoint = new("--endpoint")
    {
        Description = "The hub.", DefaultValueFactory = _ => "https://huggingface.co", HelpName = "URL",
    };

    private readonly Option<string[]> _include = new("--include")
    {
        Description = "Only files whose name fits a pattern with * and ?; may be given again; absent: "
            + "safetensors, JSON, templates and texts, or the one GGUF file.",
        HelpName = "PATTERN",
    };

    private readonly Option<string[]> _exclude = new("--exclude")
    {
        Description = "No file whose name fits; may be given again.", HelpName = "PATTERN",
    };

    private readonly Option<string?> _tokenFile = new("--token-file")
    {
        Description = "File whose first line is the hub's token; absent: HF_TOKEN, or none.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _force = new("--force")
    {
        Description = "Replaces files of the model's names that no pull has left there so.",
    };

    private readonly Option<int> _parallel = new("--parallel")
    {
        Description = "Files at once.", DefaultValueFactory = _ => 4, HelpName = "N",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Prints what was fetched as JSON.",
    };

    public static Command Create()
    {
        ModelPullVerb verb = new();
        Verb command = new("pull", "Fetches a model from a hub.")
        {
            Details = "Checksums are checked, files that are there are kept, and a run that was ended goes "
                + "on where it was. Where the revision has moved on, what changed is fetched, and takes its "
                + "place once all of it is there.",
            Examples =
            [
                "pdengine model pull Qwen/Qwen3-0.6B",
                "pdengine model pull ggml-org/models --include 'tinyllamas/*.gguf' --to tiny",
            ],
        };
        command.Arguments.Add(verb._repo);
        foreach (Option option in new Option[]
        {
            verb._revision, verb._to, verb._endpoint, verb._include, verb._exclude, verb._tokenFile,
            verb._parallel, verb._force, verb._json,
        })
        {
            command.Options.Add(option);
        }
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        string repo = parsed.GetValue(_repo)!, revision = parsed.GetValue(_revision)!;
        if (repo.Split('/') is not [{ Length: > 0 }, { Length: > 0 }]
            || !repo.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '/' or '.' or '_' or '-')
            || repo.Split('/').Any(part => part is "." or ".."))
        {
            throw new OptionsException(
                "REPO", $"'{Fields.Short(repo)}' is not owner/name, as Qwen/Qwen3-0.6B is");
        }
        int parallel = BenchFlags.Within(parsed, _parallel, 1, MostParallel);
        using HubClient hub = new(parsed.GetValue(_endpoint)!, Token(parsed));
        HubListing listing = await ListAsync(hub, repo, revision, cancellation).ConfigureAwait(false);
        HubFile[] chosen = Choose(
            listing.Files, parsed.GetValue(_include) ?? [], parsed.GetValue(_exclude) ?? []);
        PullFolder folder = new(parsed.GetValue(_to) ?? repo.Split('/')[^1]);
        PullPlan plan = await PullPlan.MakeAsync(
            folder, repo, listing, chosen, parsed.GetValue(_force), cancellation).ConfigureAwait(false);
        long left = plan.Missing.Sum(file => file.Bytes - folder.HeldBytes(file));
        DiskSpace.ThrowIfShort(folder.Path, left, _to.Name);
        Say(repo, listing, chosen, folder, plan, left);
        HubPull pull = new(hub, repo, listing.Commit, folder) { Parallel = parallel };
        await FetchAsync(pull, plan.Missing, left, cancellation).ConfigureAwait(false);
        folder.Place(plan.Missing, plan.Gone, chosen.FirstOrDefault(file => file.Name == "config.json"));
        plan.RecordOf(repo, listing, chosen).Write(folder.Path);
        folder.Tidy();
        Print(parsed.GetValue(_json), repo, listing.Commit, folder.Path, chosen, pull.FetchedBytes);
        return CommandLine.Done;
    }

    private static async Task<HubListing> ListAsync(
        HubClient hub, string repo, string revision, CancellationToken cancellation)
    {
        try
        {
            return await hub.ListAsync(repo, revision, cancellation).ConfigureAwait(false);
        }
        catch (HubFault fault) when (fault.Status is 401 or 403)
        {
            throw new OptionsException("--token-file", $"{fault.Message}: the model is not there, or it "
                + "needs a token that may read it");
        }
        catch (HubFault fault) when (fault.Status == 404)
        {
            throw new OptionsException("REPO", $"{fault.Message}: there is no such model or revision");
        }
        catch (HttpRequestException fault)
        {
            // The message often ends with the reason, and else points to it.
            string message = fault.Message.Replace(", see inner exception", "", StringComparison.Ordinal);
            string why = fault.InnerException is { } inner
                && !message.Contains(inner.Message, StringComparison.OrdinalIgnoreCase)
                    ? $" ({inner.Message})" : "";
            throw new IOException($"the hub cannot be reached: {message}{why}", fault);
        }
    }

    private static async Task FetchAsync(
        HubPull pull, IReadOnlyList<HubFile> files, long all, CancellationToken cancellation)
    {
        using ProgressLine line = new();
        pull.Progress = done => line.Show(() => $"fetched {Shown.Bytes(done)} of {Shown.Bytes(all)}");
        try
        {
            await pull.RunAsync(files, cancellation).ConfigureAwait(false);
        }
        catch (HubFault fault) when (fault.Status is 401 or 403)
        {
            throw new OptionsException("--token-file", $"{fault.Message}: it needs a token that may read it");
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("what was fetched is kept; the same command goes on from there");
            throw;
        }
    }

    private static void Say(
        string repo, HubListing listing, HubFile[] chosen, PullFolder folder, PullPlan plan, long left)
    {
        string from = plan.LastCommit is { } last ? $" (there is {last[..12]})" : "";
        string gone = plan.Gone.Count > 0
            ? $", {plan.Gone.Count} that it has no more {(plan.Gone.Count == 1 ? "goes" : "go")}" : "";
        Console.Error.WriteLine($"{repo} at {listing.Commit[..12]}{from}: {plan.Missing.Count} of "
            + $"{chosen.Length} files, {Shown.Bytes(left)}, to {folder.Path}{gone}");
    }

    /// <summary>The files that are wanted.</summary>
    /// <exception cref="OptionsException">There are none, or it is not said which.</exception>
    private static HubFile[] Choose(
        IReadOnlyList<HubFile> files, string[] include, string[] exclude)
    {
        HubFile[] ggufs = [.. files.Where(file => Fits(file, ["*.gguf"]) && !Fits(file, exclude))];
        bool hasSafetensors = files.Any(file => Fits(file, ["*.safetensors"]));
        string[] wanted = include.Length > 0 ? include
            : hasSafetensors || ggufs.Length == 0 ? Wanted : [.. Wanted, "*.gguf"];
        if (include.Length == 0 && !hasSafetensors && ggufs.Length > 1)
        {
            throw new OptionsException("--include",
                $"the model is there as {ggufs.Length} GGUF files; say which: "
                + string.Join(", ", ggufs.Take(12).Select(file => Shown.Line(file.Name))));
        }
        HubFile[] chosen = [.. files.Where(file => Fits(file, wanted) && !Fits(file, exclude))];
        return chosen.Length > 0 ? chosen : throw new OptionsException(
            "--include", $"none of the {files.Count} files fits");
    }

    private static bool Fits(HubFile file, string[] patterns) => patterns.Any(pattern =>
        FileSystemName.MatchesSimpleExpression(pattern, file.Name, ignoreCase: false));

    private string? Token(ParseResult parsed)
    {
        if (parsed.GetValue(_tokenFile) is not { } file)
        {
            string? token = Environment.GetEnvironmentVariable("HF_TOKEN")?.Trim();
            return token is { Length: > 0 } ? token : null;
        }
        try
        {
            string? line = File.ReadLines(file).FirstOrDefault()?.Trim();
            return line is { Length: > 0 } && line.All(letter => letter is > ' ' and <= '~') ? line
                : throw new OptionsException(_tokenFile.Name, $"the first line of '{file}' is no token");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException(_tokenFile.Name, $"'{file}' cannot be read: {fault.Message}");
        }
    }

    private static void Print(
        bool asJson, string repo, string commit, string folder, HubFile[] files, long fetched)
    {
        int verified = files.Count(file => file.HasHash), unverified = files.Length - verified;
        Console.Error.WriteLine($"{verified} of {files.Length} files verified by checksum"
            + (unverified == 0 ? "" : $"; the hub lists none for {unverified}: only size was checked"));
        if (!asJson)
        {
            Console.Out.WriteLine(folder);
            return;
        }
        AnswerWriter.Print(json =>
        {
            json.WriteStartObject();
            json.WriteString("repo", repo);
            json.WriteString("commit", commit);
            json.WriteString("folder", folder);
            json.WriteNumber("fetched_bytes", fetched);
            json.WriteNumber("verified_files", verified);
            json.WriteNumber("unverified_files", unverified);
            json.WriteStartArray("files");
            foreach (HubFile file in files)
            {
                json.WriteStartObject();
                json.WriteString("name", file.Name);
                json.WriteNumber("bytes", file.Bytes);
                json.WriteString("sha256", file.Sha256);
                json.WriteString("git_blob_sha1", file.BlobSha1);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }
}
