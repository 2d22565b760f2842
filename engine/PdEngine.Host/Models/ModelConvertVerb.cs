using System.CommandLine;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine model convert</c>: a GGUF file becomes a safetensors folder, or the other way.
/// </summary>
internal sealed class ModelConvertVerb
{
    private const string GgufEnd = ".gguf";

    private static readonly string[] FolderDtypes = ["bf16", "f32"];
    private static readonly string[] GgufDtypes = ["bf16", "f32", "q8_0"];

    private readonly Argument<string> _input = new("IN")
    {
        Description = "A GGUF file, or a Hugging Face folder with safetensors.",
    };

    private readonly Argument<string> _output = new("OUT")
    {
        Description = "The folder to write, or the file, whose name ends in .gguf.",
    };

    private readonly Option<string?> _dtype = new("--dtype")
    {
        Description = "How tensors are stored: bf16 or f32, in a GGUF file also q8_0; absent: as they were, "
            + "and what a folder has no word for (quantised) as bf16. Norms and biases in a GGUF file are "
            + "f32.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _force = new("--force")
    {
        Description = "Writes over what is there, once the new one is whole.",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Prints what was written as JSON.",
    };

    public static Command Create()
    {
        ModelConvertVerb verb = new();
        Verb command = new("convert", "Writes a GGUF file as a safetensors folder, or the other way.")
        {
            Details = "Configuration, tokenizer and chat template go along; the result is opened and "
                + "compared before it gets its name.",
            Examples =
            [
                "pdengine model convert Qwen3-0.6B/ qwen3.gguf",
                "pdengine model convert SmolLM2.Q4_1.gguf SmolLM2/ --dtype f32",
            ],
        };
        command.Arguments.Add(verb._input);
        command.Arguments.Add(verb._output);
        command.Options.Add(verb._dtype);
        command.Options.Add(verb._force);
        command.Options.Add(verb._json);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => Task.Run(() => verb.Run(parsed, cancellation), cancellation)));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string input = parsed.GetValue(_input)!, output = parsed.GetValue(_output)!.TrimEnd('/');
        MemoryFolder? inMemory = input == DefaultModel.Name ? DefaultModel.Open() : null;
        using ICheckpoint source = inMemory is null ? Checkpoint.Open(input)
            : Checkpoint.Open(input, [inMemory]);
        bool toFolder = source is GgufCheckpoint;
        CheckOutput(source.Path, output, toFolder, parsed.GetValue(_force));
        string? dtype = parsed.GetValue(_dtype);
        string[] dtypes = toFolder ? FolderDtypes : GgufDtypes;
        if (dtype is not null && !dtypes.Contains(dtype))
            throw new OptionsException(_dtype.Name, $"'{dtype}' is none of {string.Join(", ", dtypes)}");
        ConversionReport report;
        using (ProgressLine line = new())
        {
            Conversion conversion = new(source, inMemory, dtype)
            {
                Progress = (done, all) => line.Show(() => $"written {done * 100 / all}%"),
            };
            report = conversion.Run(output, cancellation);
        }
        if (parsed.GetValue(_json))
            AnswerWriter.Print(report.WriteJson);
        else
            report.Print(Console.Out);
        return CommandLine.Done;
    }

    private void CheckOutput(string input, string output, bool toFolder, bool isForced)
    {
        bool isGguf = output.EndsWith(GgufEnd, StringComparison.OrdinalIgnoreCase);
        if (toFolder == isGguf)
        {
            throw new OptionsException("OUT", toFolder
                ? $"a GGUF file becomes a folder, and '{output}' is named as a GGUF file"
                : $"a folder becomes a GGUF file, and '{output}' does not end in {GgufEnd}");
        }
        if (output.Length == 0 || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(output))))
            throw new OptionsException("OUT", $"the folder that '{output}' is to be in is not there");
        bool isFile = File.Exists(output), isFolder = Directory.Exists(output);
        if ((toFolder && isFile) || (!toFolder && isFolder))
            throw new OptionsException("OUT", $"'{output}' is a {(isFile ? "file" : "folder")} already");
        if ((isFile || isFolder) && !isForced)
            throw new OptionsException("OUT", $"'{output}' is there already; {_force.Name} writes over it");
        if (isFolder && Directory.EnumerateFileSystemEntries(output).FirstOrDefault(IsForeign) is { } foreign)
        {
            throw new OptionsException("OUT", $"'{output}' holds '{Path.GetFileName(foreign)}', which is no "
                + "file of a model; it is not written over");
        }
        if (isFolder && (RealPath.Of(input) ?? input).StartsWith(
            $"{RealPath.Of(output)}/", StringComparison.Ordinal))
        {
            throw new OptionsException("OUT", $"'{output}' holds the model that is read");
        }
    }

    /// <summary>Whether it is none of what a converted or downloaded model is made of.</summary>
    private static bool IsForeign(string path) => Directory.Exists(path)
        || Path.GetExtension(path) is not (".json" or ".safetensors" or ".jinja" or ".md" or ".txt");
}
