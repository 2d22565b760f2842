using System.Text;
using System.Text.Json;

namespace PdEngine;

/// <summary>Reads the model section of tokenizer.json without building a tree of its many strings.</summary>
internal sealed class VocabularyReader
{
    private readonly string _path;
    private readonly bool _byteLevel;
    private readonly JsonSections _model;
    private readonly BpeModelBuilder _builder;
    private readonly ByteBuffer _text = new();

    /// <summary>Reads the vocabulary; merges wait for <see cref="ReadModel"/>.</summary>
    public VocabularyReader(ReadOnlyMemory<byte> model, string path, bool byteLevel)
    {
        if (model.IsEmpty)
            throw new CheckpointException(path, "holds no 'model'");
        (_path, _byteLevel) = (path, byteLevel);
        _model = JsonSections.Read(model, path);
        _builder = new BpeModelBuilder(path, byteLevel);
        TokenizerField type = Field("type");
        // The oldest files name no type; merges tell.
        if (!type.IsNull && type.Text() != "BPE")
            throw type.Unsupported($"'{type.Text()}' instead of 'BPE'");
        ReadVocabulary();
    }

    /// <summary>Every token; searchable by id after <see cref="AddTokens"/>.</summary>
    public TokenTexts Texts { get; } = new();

    /// <summary>Whether text may be cut before space markers; after <see cref="ReadModel"/>.</summary>
    public bool MayCutBeforeMarker { get; private set; }

    /// <summary>Joins the added tokens to the vocabulary.</summary>
    public void AddTokens(IEnumerable<AddedToken> added)
    {
        foreach (AddedToken token in added)
        {
            if (!_builder.TryFind(token.Content, out int id))
            {
                Texts.Add(token.Content, token.Id);
            }
            else if (id != token.Id)
            {
                throw new CheckpointException(_path,
                    $"added token '{BpeModelBuilder.Show(token.Content)}' has the id {token.Id}, "
                    + $"but the vocabulary gives it {id}");
            }
        }
        Texts.Index(_path);
    }

    /// <summary>Reads the merges and the model's switches.</summary>
    public BpeModel ReadModel()
    {
        RefuseUnlessEmpty("continuing_subword_prefix");
        RefuseUnlessEmpty("end_of_word_suffix");
        if (!Field("dropout").IsNull)
            throw Field("dropout").Unsupported("set");
        ReadMerges();
        bool ignoreMerges = Field("ignore_merges").Flag();
        bool byteFallback = Field("byte_fallback").Flag();
        UnknownToken unknown = ReadUnknown();
        ISymbols symbols;
        if (_byteLevel)
        {
            ByteSymbols bytes = new(_builder.Pieces, unknown);
            if (byteFallback && !bytes.IsComplete)
                throw Field("byte_fallback").Unsupported("set for byte-level tokens that lack some bytes");
            symbols = bytes;
        }
        else
        {
            symbols = new CharacterSymbols(_builder.Pieces, byteFallback, unknown);
            MayCutBeforeMarker = !ignoreMerges && !_builder.MergesAcrossMarker
                && _builder.Pieces.TryFind(MarkerScanner.Marker, out _);
        }
        return _builder.Build(symbols, ignoreMerges);
    }

    private void ReadVocabulary()
    {
        Utf8JsonReader reader = Open("vocab", JsonTokenType.StartObject, "an object of token: id");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            ReadOnlySpan<byte> text = JsonText.Read(ref reader, _text, _path);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0)
            {
                throw new CheckpointException(_path,
                    $"model.vocab gives '{BpeModelBuilder.Show(text)}' no id (an integer from 0)");
            }
            Texts.Add(text, id);
        }
        Texts.Index(_path);
        _builder.EnsureCapacity(Texts.Count);
        for (int id = 0; id < Texts.IdLimit; id++)
        {
            if (Texts.Has(id))
                _builder.AddToken(Texts.Text(id), id);
        }
    }

    private void ReadMerges()
    {
        Utf8JsonReader reader = Open("merges", JsonTokenType.StartArray, "a list");
        ByteBuffer second = new();
        int rank = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                ReadOnlySpan<byte> pair = JsonText.Read(ref reader, _text, _path);
                int space = pair.IndexOf((byte)' ');
                if (space < 0 || pair[(space + 1)..].Contains((byte)' '))
                    throw BadMerge(rank);
                _builder.AddMerge(pair[..space], pair[(space + 1)..], rank);
            }
            else
            {
                if (reader.TokenType != JsonTokenType.StartArray)
                    throw BadMerge(rank);
                ReadOnlySpan<byte> left = ReadPart(ref reader, _text, rank);
                ReadOnlySpan<byte> right = ReadPart(ref reader, second, rank);
                if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
                    throw BadMerge(rank);
                _builder.AddMerge(left, right, rank);
            }
            rank++;
        }
    }

    private ReadOnlySpan<byte> ReadPart(ref Utf8JsonReader reader, ByteBuffer buffer, int rank)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.String)
            throw BadMerge(rank);
        return JsonText.Read(ref reader, buffer, _path);
    }

    private CheckpointException BadMerge(int rank) =>
        new(_path, $"model.merges[{rank}] must be \"left right\" or [\"left\", \"right\"]");

    private Utf8JsonReader Open(string name, JsonTokenType kind, string expected)
    {
        ReadOnlyMemory<byte> json = _model.Find(name);
        Utf8JsonReader reader = new(json.IsEmpty ? "null"u8 : json.Span);
        reader.Read();
        if (reader.TokenType != kind)
            throw new CheckpointException(_path, $"model.{name} must be {expected}");
        return reader;
    }

    private UnknownToken ReadUnknown()
    {
        TokenizerField field = Field("unk_token");
        if (field.IsNull)
            return default;
        string text = field.Text();
        // GPT-2's oldest files name an empty unknown token, which stands for none.
        if (text.Length == 0)
            return default;
        if (!_builder.TryFind(Encoding.UTF8.GetBytes(text), out int id))
            throw field.Fault($"'{text}' is not in the vocabulary");
        return new UnknownToken(id, Field("fuse_unk").Flag());
    }

    private void RefuseUnlessEmpty(string name)
    {
        TokenizerField field = Field(name);
        if (!field.IsNull && field.Text().Length > 0)
            throw field.Unsupported($"'{field.Text()}'");
    }

    private TokenizerField Field(string name) =>
        TokenizerJson.ParseSection(_model.Find(name), _path, $"model.{name}");
}
