using System.CommandLine;
using System.Text;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Where a single prompt comes from: an argument, a file, standard input, or token ids.</summary>
internal sealed class PromptFlags
{
    /// <summary>The argument's.</summary>
    public const string Name = "prompt";

    private const int MaxFileBytes = 64 << 20;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly Argument<string?> _prompt = new(Name)
    {
        Description = "The prompt; - reads it from standard input.", Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _file = new("--prompt-file")
    {
        Description = "Reads the prompt from a file; - is standard input.", HelpName = "FILE",
    };

    private readonly Option<string?> _ids = new("--input-ids")
    {
        Description = "The prompt as token ids, comma-separated.", HelpName = "IDS",
    };

    private readonly Option<bool> _plain = new("--plain-text")
    {
        Description = "Reads added tokens such as <|im_end|> as plain text, a rendered chat's own too."
            + " Meant for prompts that are no chat (--no-chat).",
    };

    public void AddTo(Command verb)
    {
        verb.Arguments.Add(_prompt);
        verb.Options.Add(_file);
        verb.Options.Add(_ids);
        verb.Options.Add(_plain);
    }

    public bool IsGiven(ParseResult parsed) =>
        parsed.GetValue(_prompt) is not null || parsed.GetValue(_file) is not null
        || parsed.GetValue(_ids) is not null;

    /// <summary>The prompt as text or ids, not yet a chat.</summary>
    public async Task<GenerateRequest> ReadAsync(ParseResult parsed, CancellationToken cancellation)
    {
        string? text = parsed.GetValue(_prompt);
        string? file = parsed.GetValue(_file);
        string? ids = parsed.GetValue(_ids);
        int given = (text is null ? 0 : 1) + (file is null ? 0 : 1) + (ids is null ? 0 : 1);
        if (given != 1)
        {
            throw new OptionsException("prompt", given == 0
                ? "no prompt; give it as an argument, with --prompt-file FILE, - for standard input, "
                    + "or --input-ids"
                : "give only one of the argument, --prompt-file and --input-ids");
        }
        bool parseAddedTokens = !parsed.GetValue(_plain);
        if (ids is not null)
            return new GenerateRequest { InputIds = ParseIds(ids), ParseAddedTokens = parseAddedTokens };
        if (text is null or "-")
            text = await ReadFileAsync(file ?? "-", cancellation).ConfigureAwait(false);
        return new GenerateRequest { Text = text, ParseAddedTokens = parseAddedTokens };
    }

    /// <summary>A chat of one user message, with a system message where given.</summary>
    public static JsonElement ToMessages(string user, string? system)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartArray();
            if (system is not null)
                WriteMessage(json, "system", system);
            WriteMessage(json, "user", user);
            json.WriteEndArray();
        }
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        return document.RootElement.Clone();
    }

    private static void WriteMessage(Utf8JsonWriter json, string role, string content)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", content);
        json.WriteEndObject();
    }

    private static async Task<string> ReadFileAsync(string file, CancellationToken cancellation)
    {
        try
        {
            using Stream stream = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
            using MemoryStream text = new();
            byte[] buffer = new byte[64 << 10];
            int count;
            // Waited for beside the read, since reads of a terminal or a pipe do not heed the token.
            while ((count = await stream.ReadAsync(buffer, cancellation).AsTask().WaitAsync(cancellation)
                .ConfigureAwait(false)) > 0)
            {
                text.Write(buffer, 0, count);
                if (text.Length > MaxFileBytes)
                {
                    throw new OptionsException(
                        "--prompt-file", $"'{file}' has over {MaxFileBytes >> 20} MiB, more than any prompt");
                }
            }
            ReadOnlySpan<byte> bytes = text.GetBuffer().AsSpan(0, (int)text.Length);
            return StrictUtf8.GetString(bytes.StartsWith("\uFEFF"u8) ? bytes["\uFEFF"u8.Length..] : bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException("--prompt-file", $"'{file}' cannot be read: {error.Message}");
        }
        catch (DecoderFallbackException)
        {
            throw new OptionsException("--prompt-file", $"'{file}' is not UTF-8 text");
        }
    }

    private static int[] ParseIds(string list)
    {
        string[] parts = list.Split(',', StringSplitOptions.TrimEntries);
        int[] ids = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], out ids[i]))
                throw new OptionsException("--input-ids", $"'{parts[i]}' is not a token id");
        }
        return ids;
    }
}
