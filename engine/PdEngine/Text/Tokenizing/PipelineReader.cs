using System.Text;

namespace PdEngine;

/// <summary>Reads the normalizer and pre_tokenizer sections of tokenizer.json.</summary>
internal static class PipelineReader
{
    private const int MaxSteps = 8;
    private const string Marker = "\u2581";

    public static NormalizerStep[] ReadNormalizer(TokenizerField section)
    {
        List<NormalizerStep> steps = [];
        foreach (TokenizerField field in Flatten(section, "normalizers"))
        {
            string type = field["type"].Text();
            steps.Add(type switch
            {
                "NFC" => new NfcStep(),
                "Prepend" => new PrependStep(OneCodePoint(field["prepend"])),
                "Replace" => ReadReplace(field),
                _ => throw field.Unsupported($"of type '{type}'"),
            });
        }
        return [.. steps];
    }

    public static PreTokenizer ReadPreTokenizer(TokenizerField section)
    {
        List<PieceScanner> scanners = [];
        List<TokenizerField> steps = Flatten(section, "pretokenizers");
        if (steps.Count == 1 && steps[0]["type"].Text() == "Metaspace")
            return ReadMetaspace(steps[0]);
        bool byteLevel = false;
        foreach (TokenizerField field in steps)
        {
            // Behind the byte-level step text is in the byte alphabet, where patterns would mean something
            // else.
            if (byteLevel)
                throw field.Unsupported("behind a ByteLevel step");
            string type = field["type"].Text();
            switch (type)
            {
                case "ByteLevel":
                    byteLevel = true;
                    if (field["add_prefix_space"].Flag(otherwise: true))
                        throw field["add_prefix_space"].Unsupported("true");
                    if (field["use_regex"].Flag(otherwise: true))
                        scanners.Add(new Gpt2Scanner());
                    break;
                case "Digits":
                    scanners.Add(new NumberScanner(field["individual_digits"].Flag() ? 1 : int.MaxValue));
                    break;
                case "Split":
                    scanners.Add(ReadSplit(field));
                    break;
                default:
                    throw field.Unsupported($"of type '{type}'");
            }
        }
        if (steps.Count > 0 && !byteLevel)
            throw section.Unsupported("a chain without a ByteLevel step");
        if (byteLevel && scanners.Count == 0)
            scanners.Add(new WholeScanner());
        return new PreTokenizer(byteLevel, [.. scanners], Metaspace: null);
    }

    /// <summary>The steps of a section that is null, one step, or a Sequence; sequences nest.</summary>
    internal static List<TokenizerField> Flatten(TokenizerField section, string members)
    {
        List<TokenizerField> steps = [];
        Collect(section, members, steps);
        return steps.Count <= MaxSteps
            ? steps
            : throw section.Fault($"has {steps.Count} steps; at most {MaxSteps}");
    }

    /// <summary>
    /// A string of exactly one code point: longer ones could make text grow without bounds.
    /// </summary>
    private static byte[] OneCodePoint(TokenizerField field)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(field.Text());
        if (utf8.Length == 0)
            throw field.Fault("is empty");
        Utf8.Decode(utf8, 0, out int length);
        return length == utf8.Length
            ? utf8
            : throw field.Unsupported($"'{field.Text()}', longer than one character");
    }

    private static void Collect(TokenizerField field, string members, List<TokenizerField> steps)
    {
        if (field.IsNull)
            return;
        if (field["type"].Text() != "Sequence")
        {
            steps.Add(field);
            return;
        }
        foreach (TokenizerField item in field[members].Items())
            Collect(item, members, steps);
    }

    private static ReplaceStep ReadReplace(TokenizerField field)
    {
        TokenizerField pattern = field["pattern"];
        if (pattern["String"].IsNull)
            throw pattern.Unsupported("no plain string");
        return new ReplaceStep(OneCodePoint(pattern["String"]), OneCodePoint(field["content"]));
    }

    private static PieceScanner ReadSplit(TokenizerField field)
    {
        TokenizerField pattern = field["pattern"]["Regex"];
        if (pattern.IsNull)
            throw field["pattern"].Unsupported("no regular expression");
        PieceScanner? scanner = PatternCatalog.Find(pattern.Text());
        if (scanner is null)
            throw pattern.Fault($"is '{pattern.Text()}'; this pre-tokenizer pattern is not supported");
        string behavior = field["behavior"].Text();
        bool isInverted = field["invert"].Flag();
        // To remove all but the matches is to isolate them where the pattern matches everything.
        bool isKept = behavior == "Isolated"
            || (behavior == "Removed" && isInverted && scanner.MatchesEverything);
        return isKept ? scanner : throw field["behavior"].Unsupported($"'{behavior}' (invert: {isInverted})");
    }

    private static PreTokenizer ReadMetaspace(TokenizerField field)
    {
        if (field["replacement"].Text() != Marker)
            throw field["replacement"].Unsupported($"'{field["replacement"].Text()}'");
        bool isSplit = field["split"].Flag(otherwise: true);
        return new PreTokenizer(ByteLevel: false, isSplit ? [new MarkerScanner(keepRuns: false)] : [],
            new MetaspaceRule(ReadPrepend(field)));
    }

    internal static MetaspacePrepend ReadPrepend(TokenizerField field)
    {
        TokenizerField scheme = field["prepend_scheme"];
        if (scheme.IsNull)
        {
            bool isAlways = field["add_prefix_space"].Flag(otherwise: true);
            return isAlways ? MetaspacePrepend.Always : MetaspacePrepend.Never;
        }
        return scheme.Text() switch
        {
            "always" => MetaspacePrepend.Always,
            "first" => MetaspacePrepend.First,
            "never" => MetaspacePrepend.Never,
            string other => throw scheme.Unsupported($"'{other}'"),
        };
    }
}
