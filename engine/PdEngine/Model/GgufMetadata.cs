using System.Text;

namespace PdEngine;

/// <summary>
/// A GGUF file's keys and values; every getter checks type and range and names the key that failed.
/// </summary>
internal sealed class GgufMetadata
{
    private const int MaxTextBytes = 16 << 20;

    private readonly string _path;
    private readonly IByteSource _source;
    private readonly Dictionary<string, GgufValue> _values;

    private GgufMetadata(string path, IByteSource source, Dictionary<string, GgufValue> values)
    {
        _path = path;
        _source = source;
        _values = values;
    }

    /// <summary>
    /// Reads <paramref name="count"/> pairs at the cursor; strings and arrays are skipped over.
    /// </summary>
    /// <exception cref="CheckpointException">A pair breaks a rule of the format.</exception>
    public static GgufMetadata Read(string path, IByteSource source, GgufCursor cursor, long count)
    {
        Dictionary<string, GgufValue> values = new(StringComparer.Ordinal);
        for (long index = 0; index < count; index++)
        {
            string key = cursor.ReadName("metadata key", ushort.MaxValue / 2);
            uint type = cursor.ReadU32();
            GgufValue value = ReadValue(path, cursor, key, type);
            if (!values.TryAdd(key, value))
                throw new CheckpointException(path, $"its metadata has '{Shown.Line(key)}' " +
                                                    "twice");
        }
        return new GgufMetadata(path, source, values);
    }

    public bool Has(string key) => _values.ContainsKey(key);

    public int Int(string key, int min, int max) =>
        OptionalInt(key, min, max) ?? throw Fault(key, "is missing");

    /// <summary>A whole number of any width, or an array of equal ones (some keys are per layer).</summary>
    public int? OptionalInt(string key, int min, int max)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return null;
        if (value.Type == GgufValueType.Array)
            value = TheOneElement(key, value);
        if (!value.TryInteger(out long number))
            throw Fault(key, "is not a whole number");
        return number >= min && number <= max
            ? (int)number
            : throw Fault(key, $"is {number}; it must be from {min} to {max}");
    }

    public double Number(string key, double min, double max) =>
        OptionalNumber(key, min, max) ?? throw Fault(key, "is missing");

    public double? OptionalNumber(string key, double min, double max)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return null;
        if (!value.TryNumber(out double number))
            throw Fault(key, "is not a number");
        return number >= min && number <= max
            ? number
            : throw Fault(key, $"is {number}; it must be from {min} to {max}");
    }

    public bool? Flag(string key)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return null;
        return value.Type == GgufValueType.Bool ? value.Bits != 0 : throw Fault(key, "is not a bool");
    }

    /// <summary>A string; bytes that are not UTF-8 become U+FFFD.</summary>
    public string? Text(string key) => Bytes(key) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;

    /// <summary>A string's bytes as they are.</summary>
    public byte[]? Bytes(string key, int maxBytes = MaxTextBytes)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return null;
        if (value.Type != GgufValueType.Text)
            throw Fault(key, "is not a string");
        if (value.Count > maxBytes)
            throw Fault(key, $"has {value.Count} bytes; at most {maxBytes} are read");
        byte[] bytes = new byte[value.Count];
        _source.Read(value.OffsetBytes, bytes);
        return bytes;
    }

    /// <summary>How many elements an array has; null where there is no such key.</summary>
    public long? ArrayCount(string key) =>
        _values.TryGetValue(key, out GgufValue value) ? ArrayOf(key, value).Count : null;

    /// <summary>
    /// An array of strings, empty where there is none; bytes that are not UTF-8 become U+FFFD.
    /// </summary>
    public string[] Texts(string key, int maxCount)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return [];
        if (ArrayOf(key, value).ElementType != GgufValueType.Text)
            throw Fault(key, "is not an array of strings");
        CheckCount(key, value, maxCount);
        string[] texts = new string[value.Count];
        GgufCursor cursor = new(_path, _source, value.OffsetBytes);
        for (int index = 0; index < texts.Length; index++)
        {
            long length = cursor.ReadCount($"bytes of '{key}'", 1);
            if (length > ushort.MaxValue / 2)
                throw Fault(key, $"has a string of {length} bytes; at most {ushort.MaxValue / 2} are " +
                                 "allowed");
            texts[index] = Encoding.UTF8.GetString(cursor.Take((int)length));
        }
        return texts;
    }

    /// <summary>An array of numbers as doubles, empty where there is none.</summary>
    public double[] Numbers(string key, int maxCount)
    {
        if (!_values.TryGetValue(key, out GgufValue value))
            return [];
        GgufValueType type = ArrayOf(key, value).ElementType;
        if (type is GgufValueType.Text or GgufValueType.Bool)
            throw Fault(key, "is not an array of numbers");
        CheckCount(key, value, maxCount);
        double[] numbers = new double[value.Count];
        GgufCursor cursor = new(_path, _source, value.OffsetBytes);
        for (int index = 0; index < numbers.Length; index++)
        {
            if (!new GgufValue(type, cursor.ReadScalar(type)).TryNumber(out numbers[index]))
                throw Fault(key, $"has an element {index} out of range");
        }
        return numbers;
    }

    public CheckpointException Fault(string key, string problem) => new(_path, $"metadata key '{key}' " +
                                                                               $"{problem}");

    private GgufValue ArrayOf(string key, GgufValue value) =>
        value.Type == GgufValueType.Array ? value : throw Fault(key, "is not an array");

    private void CheckCount(string key, GgufValue value, int maxCount)
    {
        if (value.Count > maxCount)
            throw Fault(key, $"has {value.Count} elements; at most {maxCount} are read");
    }

    private GgufValue TheOneElement(string key, GgufValue array)
    {
        double[] numbers = Numbers(key, ModelLimits.LayerCount);
        if (numbers.Length == 0 || Array.Exists(numbers, number => number != numbers[0]))
            throw Fault(key, "differs between layers, which is not supported");
        GgufCursor cursor = new(_path, _source, array.OffsetBytes);
        return new GgufValue(array.ElementType, cursor.ReadScalar(array.ElementType));
    }

    private static GgufValue ReadValue(string path, GgufCursor cursor, string key, uint typeNumber)
    {
        GgufValueType type = (GgufValueType)typeNumber;
        if (typeNumber > (uint)GgufValueType.F64)
            throw new CheckpointException(
                path, $"metadata key '{Shown.Line(key)}' has the unknown type {typeNumber}");
        if (type == GgufValueType.Text)
        {
            long length = cursor.ReadCount("bytes of a string", 1);
            long offset = cursor.OffsetBytes;
            cursor.Skip(length);
            return new GgufValue(type, 0, Count: length, OffsetBytes: offset);
        }
        return type == GgufValueType.Array
            ? ReadArray(path, cursor, key)
            : new GgufValue(type, cursor.ReadScalar(type));
    }

    private static GgufValue ReadArray(string path, GgufCursor cursor, string key)
    {
        uint elementNumber = cursor.ReadU32();
        GgufValueType elementType = (GgufValueType)elementNumber;
        if (elementNumber > (uint)GgufValueType.F64 || elementType == GgufValueType.Array)
            throw new CheckpointException(
                path, $"metadata key '{Shown.Line(key)}' is an array of type {elementNumber}, " +
                      "which is not read");
        int scalarBytes = GgufValue.ScalarBytes(elementType);
        long count = cursor.ReadCount("array elements", scalarBytes == 0 ? sizeof(ulong) : scalarBytes);
        long offset = cursor.OffsetBytes;
        if (scalarBytes != 0)
            cursor.Skip(count * scalarBytes);
        else
        {
            for (long index = 0; index < count; index++)
                cursor.Skip(cursor.ReadCount("bytes of a string", 1));
        }
        return new GgufValue(GgufValueType.Array, 0, elementType, count, offset);
    }
}
