using System.Text.Json;

namespace PdEngine;

/// <summary>Reads Hugging Face's tokenizer.json, with tokenizer_config.json beside it.</summary>
internal static class TokenizerJson
{
    private const string FileName = "tokenizer.json";
    private const string ConfigName = "tokenizer_config.json";
    private const long MaxFileBytes = 256 << 20;

    public static Tokenizer Load(string folderOrTokenizerJson)
    {
        ArgumentException.ThrowIfNullOrEmpty(folderOrTokenizerJson);
        bool isFolder = Directory.Exists(folderOrTokenizerJson);
        string path = isFolder ? Path.Combine(folderOrTokenizerJson, FileName) : folderOrTokenizerJson;
        if (!File.Exists(path))
            throw new CheckpointException(path, "is not there; a Hugging Face tokenizer.json is needed");
        string config = Path.Combine(Path.GetDirectoryName(path) ?? "", ConfigName);
        ReadOnlyMemory<byte>? configJson = null;
        if (File.Exists(config))
            configJson = ReadFile(config);
        return Parse(ReadFile(path), configJson, path);
    }

    public static Tokenizer Parse(ReadOnlyMemory<byte> json, ReadOnlyMemory<byte>? configJson, string path)
    {
        TokenizerConfig config = configJson is { } content
            ? TokenizerConfig.Read(ParseSection(WithoutMark(content), $"{path} ({ConfigName})", ""))
            : new TokenizerConfig();
        JsonSections file = JsonSections.Read(WithoutMark(json), path);
        TokenizerField Section(string name) => ParseSection(file.Find(name), path, name);

        PreTokenizer preTokenizer = PipelineReader.ReadPreTokenizer(Section("pre_tokenizer"));
        VocabularyReader vocabulary = new(file.Find("model"), path, preTokenizer.ByteLevel);
        List<AddedToken> added = AddedTokenReader.Read(Section("added_tokens"));
        vocabulary.AddTokens(added);
        BpeModel model = vocabulary.ReadModel();
        NormalizerStep[] normalizer = PipelineReader.ReadNormalizer(Section("normalizer"));
        PieceScanner[] scanners = preTokenizer.Scanners;
        if (scanners.Length == 0)
        {
            scanners = vocabulary.MayCutBeforeMarker
                ? [new MarkerScanner(keepRuns: true)]
                : [new WholeScanner()];
        }
        DecoderRules rules = DecoderReader.Read(Section("decoder"));
        TokenFrame frame = FrameReader.Read(Section("post_processor"), vocabulary.Texts);
        TextEncoder encoder = new(added, normalizer, preTokenizer.Metaspace, scanners, model);
        return new Tokenizer(new TokenizerParts(vocabulary.Texts, added, rules, encoder,
            config.Apply(frame, vocabulary.Texts), config.Special));
    }

    /// <summary>A small section as a tree; null's stand-in where it is absent.</summary>
    public static TokenizerField ParseSection(ReadOnlyMemory<byte> json, string path, string place)
    {
        if (json.IsEmpty && place.Length > 0)
            return new TokenizerField(default, path, place);
        try
        {
            return new TokenizerField(StrictJson.Parse(json).RootElement, path, place);
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            // The check for duplicates reads every name, and one may hold half a surrogate pair.
            string problem = $"{place} is not valid JSON: {TokenizerField.Shorten(broken.Message)}";
            throw new CheckpointException(path, problem.TrimStart(), broken);
        }
    }

    private static ReadOnlyMemory<byte> WithoutMark(ReadOnlyMemory<byte> json)
    {
        ReadOnlySpan<byte> byteOrderMark = "\uFEFF"u8;
        return json.Span.StartsWith(byteOrderMark) ? json[byteOrderMark.Length..] : json;
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            long bytes = new FileInfo(path).Length;
            if (bytes > MaxFileBytes)
                throw new CheckpointException(path, $"has {bytes} bytes; at most {MaxFileBytes} are read");
            return File.ReadAllBytes(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {failure.Message}", failure);
        }
    }
}
