namespace PdEngine.Host;

/// <summary>
/// Writes a checkpoint in the other format, tensor by tensor. What was written is opened and compared with
/// its source before it gets its name.
/// </summary>
internal sealed class Conversion(ICheckpoint source, MemoryFolder? inMemory, string? dtype)
{
    private readonly SortedDictionary<(string From, string To), int> _dtypes = [];
    private readonly List<string> _notes = [];
    private long _written;

    /// <summary>Heard as elements are written: so many of all.</summary>
    public Action<long, long> Progress { get; init; } = (_, _) => { };

    /// <exception cref="CheckpointException">The other format has no word for something in it.</exception>
    /// <exception cref="OptionsException">There is no room for it.</exception>
    public ConversionReport Run(string output, CancellationToken cancellation)
    {
        bool toFolder = source is GgufCheckpoint;
        IReadOnlyDictionary<string, TensorRow> stored =
            TensorRow.Read(source.Path, inMemory).ToDictionary(row => row.Name, StringComparer.Ordinal);
        TensorShape[] tensors = [.. ModelTensors.Of(source.Config)];
        DiskSpace.ThrowIfShort(
            output, tensors.Sum(tensor => TensorShape.Count(tensor.Shape)) * (dtype == "f32" ? 4 : 2));
        CarriedFiles text = CarriedFiles.Of(source, inMemory);
        using PartialOutput partial = new(output, toFolder);
        TensorFill Watched(TensorFill fill) => Watch(fill, tensors, cancellation);
        if (toFolder)
            WriteFolder(partial.Place, (GgufCheckpoint)source, tensors, stored, text, Watched);
        else
            WriteGguf(partial.Place, Path.GetFileNameWithoutExtension(output), stored, text, Watched);
        Prove(partial.Place);
        long bytes = toFolder
            ? Directory.EnumerateFiles(partial.Place).Sum(file => new FileInfo(file).Length)
            : new FileInfo(partial.Place).Length;
        cancellation.ThrowIfCancellationRequested();
        partial.Commit();
        return new ConversionReport(source.Path, output, bytes,
            [.. _dtypes.Select(row => (row.Key.From, row.Key.To, row.Value))], _notes);
    }

    private void WriteGguf(
        string path, string name, IReadOnlyDictionary<string, TensorRow> stored, CarriedFiles text,
        Func<TensorFill, TensorFill> around)
    {
        GgufWriter writer = GgufExport.Begin(source, name);
        IReadOnlyList<int> ends = source.Config.EosTokenIds;
        if (ends.Count > GgufExport.MostEnds)
        {
            throw new CheckpointException(source.Path, $"it names {ends.Count} ids that end a generation; "
                + $"GGUF has words for {GgufExport.MostEnds}");
        }
        GgufExport.WriteIds(writer, WriteText(writer, text) ?? source.Config.BosTokenId, ends);
        GgufExport.AddTensors(writer, source, tensor => TypeOf(tensor, stored), around);
        foreach (TensorShape vector in ModelTensors.Of(source.Config).Where(one => one.Shape.Length == 1))
            Count(stored[vector.Name].Dtype, "F32");
        using FileStream stream = File.Create(path);
        writer.Write(stream);
        stream.Flush(flushToDisk: true);
    }

    private GgufType TypeOf(TensorShape tensor, IReadOnlyDictionary<string, TensorRow> stored)
    {
        string from = stored[tensor.Name].Dtype;
        GgufType type = (dtype ?? from.ToLowerInvariant()) switch
        {
            "bf16" => GgufType.BF16,
            "f16" => GgufType.F16,
            "q8_0" => GgufType.Q8_0,
            _ => GgufType.F32,
        };
        if (type == GgufType.Q8_0 && tensor.Shape[^1] % GgufTypes.BlockOf(type).Elements != 0)
            type = GgufType.BF16;
        Count(from, type.ToString());
        return type;
    }

    /// <summary>The id that starts a text, where other programs are to know it.</summary>
    private int? WriteText(GgufWriter writer, CarriedFiles text)
    {
        if (text.Tokenizer is not { } json)
        {
            _notes.Add("there is no tokenizer; the model takes token ids only");
            return null;
        }
        Tokenizer original = Tokenizer.Parse(json, text.Config, source.Path);
        GgufVocabulary? lists =
            GgufVocabularies.Make(source.Path, json, original, source.Config.VocabularySize);
        if (lists is not null)
            GgufExport.WriteVocabulary(writer, lists);
        else
            _notes.Add("the tokenizer is carried as Hugging Face's files, which pdengine reads; GGUF's own "
                + "lists cannot say it, so that other programs will find none");
        writer.AddFlag(GgufCarriedText.MarkKey, true);
        writer.AddText(GgufCarriedText.TokenizerKey, json.Span);
        if (text.Config is { } config)
            writer.AddText(GgufCarriedText.ConfigKey, config.Span);
        if (text.ChatTemplate() is { } template)
            writer.AddText(GgufCarriedText.TemplateKey, template);
        return lists?.BosId;
    }

    private void WriteFolder(
        string folder, GgufCheckpoint gguf, TensorShape[] tensors,
        IReadOnlyDictionary<string, TensorRow> stored, CarriedFiles text,
        Func<TensorFill, TensorFill> around)
    {
        SafetensorsDtype common = CommonDtype(tensors, stored);
        SafetensorsWriter writer = new();
        foreach (TensorShape tensor in tensors)
        {
            string from = stored[tensor.Name].Dtype;
            SafetensorsDtype to = dtype is not null ? DtypeOf(dtype)
                : tensor.Shape.Length > 1 ? DtypeOf(from)
                : StoredRoundTrip.IsExact(source, tensor, common) ? common : SafetensorsDtype.F32;
            Count(from, SafetensorsDtypes.NameOf(to));
            writer.Add(tensor.Name, to, tensor.Shape,
                around((first, values) => source.Read(tensor.Name, first, values)));
        }
        File.WriteAllBytes(Path.Combine(folder, "config.json"), HfConfigWriter.Write(gguf));
        WriteText(folder, gguf, text);
        using FileStream stream = File.Create(Path.Combine(folder, HfFolder.SingleFile));
        writer.Write(stream);
        stream.Flush(flushToDisk: true);
    }

    private void WriteText(string folder, GgufCheckpoint gguf, CarriedFiles text)
    {
        void Put(string name, ReadOnlyMemory<byte>? content)
        {
            if (content is { } bytes)
                File.WriteAllBytes(Path.Combine(folder, name), bytes.Span);
        }
        if (text.Tokenizer is null && gguf.Vocabulary is { } vocabulary)
        {
            Put(TextFiles.TokenizerFile, TokenizerFileWriter.Tokenizer(vocabulary));
            Put(TextFiles.ConfigFile, TokenizerFileWriter.Config(vocabulary));
            return;
        }
        if (text.Tokenizer is null)
            _notes.Add("there is no tokenizer; the model takes token ids only");
        Put(TextFiles.TokenizerFile, text.Tokenizer);
        Put(TextFiles.ConfigFile, text.Config);
        bool isInConfig = (text with { Template = null }).ChatTemplate() is not null;
        Put(TextFiles.TemplateFile, isInConfig ? null : text.Template);
    }

    /// <summary>That of matrices, which vectors take where it costs them nothing.</summary>
    private static SafetensorsDtype CommonDtype(
        TensorShape[] tensors, IReadOnlyDictionary<string, TensorRow> stored) =>
        tensors.Where(tensor => tensor.Shape.Length > 1)
            .GroupBy(tensor => DtypeOf(stored[tensor.Name].Dtype)).MaxBy(same => same.Count())!.Key;

    /// <summary>A folder's word for how a tensor is stored; what is quantised becomes bf16.</summary>
    private static SafetensorsDtype DtypeOf(string stored) => stored.ToUpperInvariant() switch
    {
        "F32" => SafetensorsDtype.F32,
        "F16" => SafetensorsDtype.F16,
        _ => SafetensorsDtype.BF16,
    };

    private TensorFill Watch(TensorFill fill, TensorShape[] tensors, CancellationToken cancellation)
    {
        long all = tensors.Sum(tensor => TensorShape.Count(tensor.Shape));
        return (first, values) =>
        {
            cancellation.ThrowIfCancellationRequested();
            fill(first, values);
            _written += values.Length;
            Progress(_written, all);
        };
    }

    private void Count(string from, string to) =>
        _dtypes[(from, to)] = _dtypes.GetValueOrDefault((from, to)) + 1;

    private void Prove(string path)
    {
        using ICheckpoint made = Checkpoint.Open(path);
        if (ConfigProof.FirstDifference(source.Config, made.Config) is { } field)
        {
            throw new CheckpointException(
                source.Path, $"its {field} does not come through in the other format");
        }
        float[] rope = source.Config.Rope.InverseFrequencies;
        if (!rope.AsSpan().SequenceEqual(made.Config.Rope.InverseFrequencies))
            _notes.Add("rope frequencies are rounded in their last bit");
        (Tokenizer? wanted, ChatTemplate? template) = TextFiles.Load(source, inMemory);
        (Tokenizer? read, ChatTemplate? readTemplate) = TextFiles.Load(made);
        bool isSame = (wanted is null) == (read is null) && (template is null) == (readTemplate is null);
        string? text = wanted is null || read is null ? null : TokenizerProof.FirstDifference(wanted, read);
        if (!isSame || text is not null)
        {
            throw new CheckpointException(source.Path, "its tokenizer does not come through in the other "
                + $"format{(text is null ? "" : $": '{Shown.Line(text)}' is read differently")}");
        }
    }
}
