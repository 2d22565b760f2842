namespace PdEngine;

/// <summary>Reads the post_processor section of tokenizer.json: what is put around a text.</summary>
internal static class FrameReader
{
    private const int MaxFrameTokens = 64;

    public static TokenFrame Read(TokenizerField section, TokenTexts texts)
    {
        TokenFrame? frame = null;
        foreach (TokenizerField field in PipelineReader.Flatten(section, "processors"))
        {
            string type = field["type"].Text();
            // A byte-level step only shifts offsets.
            if (type == "ByteLevel")
                continue;
            if (type != "TemplateProcessing")
                throw field.Unsupported($"of type '{type}'");
            if (frame is not null)
                throw field.Unsupported("a second template");
            frame = ReadTemplate(field, texts);
        }
        return frame ?? new TokenFrame([], []);
    }

    private static TokenFrame ReadTemplate(TokenizerField field, TokenTexts texts)
    {
        List<int> before = [];
        List<int> behind = [];
        bool hasText = false;
        foreach (TokenizerField item in field["single"].Items())
        {
            if (!item["Sequence"].IsNull)
            {
                if (hasText || item["Sequence"]["id"].Text() != "A")
                    throw item.Unsupported("a second text");
                hasText = true;
                continue;
            }
            string name = item["SpecialToken"]["id"].Text();
            TokenizerField token = field["special_tokens"][name];
            foreach (TokenizerField id in token["ids"].Items())
            {
                if (!texts.Has(id.Integer()))
                    throw id.Fault($"is {id.Integer()}, which is not a token");
                (hasText ? behind : before).Add(id.Integer());
            }
        }
        if (!hasText)
            throw field["single"].Fault("has no place for the text");
        int frameTokens = before.Count + behind.Count;
        if (frameTokens > MaxFrameTokens)
            throw field["single"].Fault($"puts {frameTokens} tokens around a text; at most {MaxFrameTokens}");
        return new TokenFrame([.. before], [.. behind]);
    }
}
