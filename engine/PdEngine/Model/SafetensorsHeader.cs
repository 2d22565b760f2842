using System.Text.Json;

namespace PdEngine;

/// <summary>Parses and proves the JSON header of a safetensors file; nothing in it is trusted.</summary>
internal sealed class SafetensorsHeader
{
    private readonly string _path;
    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);

    private SafetensorsHeader(string path) => _path = path;

    /// <summary>
    /// Tensors by name, from a header whose data section has <paramref name="dataBytes"/> bytes.
    /// </summary>
    /// <exception cref="CheckpointException">The header breaks a rule of the format.</exception>
    public static Dictionary<string, SafetensorsTensor> Parse(
        string path, ReadOnlySpan<byte> header, long dataBytes)
    {
        SafetensorsHeader parser = new(path);
        if (header.IsEmpty || header[0] != (byte)'{')
            throw parser.Fault("its header does not start with '{'");
        if (!System.Text.Unicode.Utf8.IsValid(header))
            throw parser.Fault("its header is not UTF-8");
        try
        {
            parser.ReadHeader(header);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // InvalidOperationException is how the reader reports an escaped lone surrogate.
            throw new CheckpointException(
                path, $"its header is not valid JSON ({Shown.Line(fault.Message, 300)})", fault);
        }
        parser.CheckExtents(dataBytes);
        return parser._tensors;
    }

    private void ReadHeader(ReadOnlySpan<byte> header)
    {
        Utf8JsonReader reader = new(header);
        reader.Read();
        bool metadataSeen = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
            {
                if (metadataSeen)
                    throw Fault("its header has __metadata__ twice");
                metadataSeen = true;
                ReadMetadata(ref reader);
                continue;
            }
            SafetensorsTensor tensor = ReadTensor(ref reader, name);
            if (!_tensors.TryAdd(name, tensor))
                throw Fault($"its header names tensor '{Shown.Line(name)}' twice");
        }
        while (reader.Read())
        {
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Fault("its __metadata__ is not an object");
        HashSet<string> keys = new(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            if (!keys.Add(key))
                throw Fault($"its __metadata__ has '{Shown.Line(key)}' twice");
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Fault($"its __metadata__ value of '{Shown.Line(key)}' is not a string");
        }
    }

    private SafetensorsTensor ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Fault($"tensor '{Shown.Line(name)}' is not an object");
        SafetensorsDtype? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when dtype is null:
                    dtype = ReadDtype(ref reader, name);
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, name, key);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, name, key);
                    break;
                default:
                    throw Fault($"tensor '{Shown.Line(name)}' has '{Shown.Line(key)}' twice or where " +
                                "nothing of that name belongs");
            }
        }
        if (dtype is null || shape is null || offsets is not { Length: 2 })
            throw Fault($"tensor '{Shown.Line(name)}' needs dtype, shape and two data_offsets");
        return new SafetensorsTensor(name, dtype.Value, shape, offsets[0], offsets[1]);
    }

    private SafetensorsDtype ReadDtype(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Fault($"the dtype of tensor '{Shown.Line(name)}' is not a string");
        string text = reader.GetString()!;
        return SafetensorsDtypes.TryParse(text, out SafetensorsDtype dtype)
            ? dtype
            : throw Fault($"tensor '{Shown.Line(name)}' has the unknown dtype '{Shown.Line(text)}'");
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Fault($"{key} of tensor '{Shown.Line(name)}' is not a list");
        List<long> numbers = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number)
                || number < 0)
                throw Fault($"{key} of tensor '{Shown.Line(name)}' holds something other than whole " +
                            "numbers from 0");
            numbers.Add(number);
        }
        return [.. numbers];
    }

    /// <summary>
    /// The data is covered exactly once, in the order of offsets, with neither hole nor tail.
    /// </summary>
    private void CheckExtents(long dataBytes)
    {
        SafetensorsTensor[] sorted = [.. _tensors.Values];
        Array.Sort(sorted, (a, b) => a.BeginBytes != b.BeginBytes
            ? a.BeginBytes.CompareTo(b.BeginBytes)
            : a.EndBytes.CompareTo(b.EndBytes));
        long end = 0;
        foreach (SafetensorsTensor tensor in sorted)
        {
            string name = Shown.Line(tensor.Name);
            if (tensor.EndBytes < tensor.BeginBytes)
                throw Fault($"tensor '{name}' ends at byte {tensor.EndBytes}, before it begins at " +
                            $"{tensor.BeginBytes}");
            if (tensor.BeginBytes != end)
                throw Fault($"tensor '{name}' begins at byte {tensor.BeginBytes} of the data, where " +
                            $"{end} is due (a hole or an overlap)");
            long sizeBytes = SizeBytes(tensor);
            if (tensor.EndBytes - tensor.BeginBytes != sizeBytes)
                throw Fault($"tensor '{name}' spans {tensor.EndBytes - tensor.BeginBytes} bytes; " +
                            $"{SafetensorsDtypes.NameOf(tensor.Dtype)} {TensorShape.Show(tensor.Shape)} " +
                            $"takes {sizeBytes}");
            end = tensor.EndBytes;
        }
        if (end > dataBytes)
            throw Fault($"it is truncated: its tensors take {end} bytes, {dataBytes} are there");
        if (end < dataBytes)
            throw Fault($"{dataBytes - end} bytes follow its last tensor");
    }

    private long SizeBytes(SafetensorsTensor tensor)
    {
        try
        {
            long count = 1;
            foreach (long dimension in tensor.Shape)
                count = checked(count * dimension);
            long bits = checked(count * SafetensorsDtypes.BitsOf(tensor.Dtype));
            return bits % 8 == 0
                ? bits / 8
                : throw Fault($"tensor '{Shown.Line(tensor.Name)}' does not fill whole bytes");
        }
        catch (OverflowException overflow)
        {
            string shape = TensorShape.Show(tensor.Shape);
            throw new CheckpointException(
                _path, $"the shape of tensor '{Shown.Line(tensor.Name)}', {shape}, is too large", overflow);
        }
    }

    private CheckpointException Fault(string problem) => new(_path, problem);
}
