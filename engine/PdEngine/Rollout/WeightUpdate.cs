using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// New weights for a service, by Hugging Face tensor names: filled from spans in parts (buckets), from native
/// memory, from a folder, or as the changed elements of the present tensors. Fill it on one thread, then give
/// it to <see cref="EngineModel.UpdateWeightsAsync"/>; it may be given to several services.
/// </summary>
public sealed class WeightUpdate : IDisposable
{
    private readonly Dictionary<string, GivenTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TensorDelta> _deltas = new(StringComparer.Ordinal);
    private readonly List<IDisposable> _owned = [];

    /// <summary>
    /// Name of the new weights; absent: the next number. A number must be greater than any used before, and
    /// written without sign or leading zeros; no name may be used twice.
    /// </summary>
    public string? Version { get; init; }

    /// <summary>
    /// What the service must have for this to be applied; deltas need it, for others it may be absent.
    /// </summary>
    public string? BaseVersion { get; init; }

    /// <summary>
    /// Tensors that are not given stay as they are; else every tensor of the model must be given.
    /// </summary>
    public bool IsPartial { get; init; }

    /// <summary>Names of the tensors that are given, deltas included.</summary>
    public IReadOnlyCollection<string> Names => [.. _tensors.Keys, .. _deltas.Keys];

    internal IReadOnlyDictionary<string, GivenTensor> Tensors => _tensors;

    internal IReadOnlyDictionary<string, TensorDelta> Deltas => _deltas;

    /// <summary>Every tensor of a Hugging Face folder's safetensors files.</summary>
    /// <param name="folder">With model.safetensors or its index; config.json is not looked at.</param>
    /// <param name="version">See <see cref="Version"/>.</param>
    /// <exception cref="WeightUpdateException">It holds a delta format that is not read.</exception>
    /// <exception cref="CheckpointException">A file is missing or malformed.</exception>
    public static WeightUpdate FromFolder(string folder, string? version = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        DeltaFolders.Refuse(folder);
        return Of(new() { Version = version }, HfFolder.OpenFiles(folder));
    }

    /// <summary>
    /// The tensors of safetensors files in memory, which must stay as they are until the update is applied.
    /// </summary>
    /// <param name="files">Whole files; a tensor may be in one of them only.</param>
    /// <param name="version">See <see cref="Version"/>.</param>
    /// <param name="isPartial">See <see cref="IsPartial"/>.</param>
    /// <exception cref="WeightUpdateException">A tensor is there twice.</exception>
    /// <exception cref="CheckpointException">A file is malformed.</exception>
    public static WeightUpdate FromSafetensors(
        IReadOnlyList<ReadOnlyMemory<byte>> files, string? version = null, bool isPartial = false)
    {
        ArgumentNullException.ThrowIfNull(files);
        return Of(new() { Version = version, IsPartial = isPartial }, InMemory(files));
    }

    /// <summary>The same of files of which a later one may give a tensor again; the last counts.</summary>
    internal static WeightUpdate FromLastSafetensors(
        IReadOnlyList<ReadOnlyMemory<byte>> files, string? version) =>
        Of(new() { Version = version, IsPartial = true }, InMemory(files), lastCounts: true);

    /// <summary>Copies a tensor, or a part of it; the parts of one may come in any order.</summary>
    /// <param name="name">For example <c>model.layers.0.self_attn.q_proj.weight</c>.</param>
    /// <param name="shape">Of the whole tensor, outermost first.</param>
    /// <param name="values">Row-major.</param>
    /// <param name="firstElement">Row-major index of the first of them.</param>
    /// <exception cref="WeightUpdateException">Some of it was given before, or lies outside.</exception>
    public void Add(
        string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values, long firstElement = 0) =>
        Give(name, shape, WeightElement.Float32, MemoryMarshal.AsBytes(values), firstElement);

    /// <summary>The same of half precision.</summary>
    /// <inheritdoc cref="Add(string, ReadOnlySpan{long}, ReadOnlySpan{float}, long)"/>
    public void Add(
        string name, ReadOnlySpan<long> shape, ReadOnlySpan<Half> values, long firstElement = 0) =>
        Give(name, shape, WeightElement.Float16, MemoryMarshal.AsBytes(values), firstElement);

    /// <summary>The same of bf16, each the upper half of a single.</summary>
    /// <inheritdoc cref="Add(string, ReadOnlySpan{long}, ReadOnlySpan{float}, long)"/>
    public void Add(
        string name, ReadOnlySpan<long> shape, ReadOnlySpan<ushort> values, long firstElement = 0) =>
        Give(name, shape, WeightElement.BFloat16, MemoryMarshal.AsBytes(values), firstElement);

    /// <summary>
    /// Names a tensor in native memory, which is read when the update is applied and must stay as it is until
    /// then.
    /// </summary>
    /// <param name="name">Hugging Face's.</param>
    /// <param name="shape">Outermost first.</param>
    /// <param name="element">Of what.</param>
    /// <param name="address">Of the first element; the rest follows without gaps.</param>
    /// <exception cref="WeightUpdateException">It was given before, or is of no known kind.</exception>
    public void AddPointer(string name, ReadOnlySpan<long> shape, WeightElement element, nint address)
    {
        ThrowIfShape(name, shape);
        if (!Enum.IsDefined(element))
            throw new WeightUpdateException($"'{Shown.Line(name)}' is of no known kind ({(int)element})");
        if (address == 0)
            throw new WeightUpdateException($"'{Shown.Line(name)}' is given at address 0");
        Add(name, new GivenTensor(shape.ToArray(), element, address));
    }

    /// <summary>Changes some elements of a tensor that the service has.</summary>
    /// <param name="name">Hugging Face's.</param>
    /// <param name="indices">Row-major element indices, ascending.</param>
    /// <param name="values">New values, as many.</param>
    /// <param name="resultSha256">
    /// SHA-256 of the whole resulting tensor as bf16 in little-endian bytes, 32 bytes.
    /// </param>
    /// <exception cref="WeightUpdateException">
    /// The indices are not ascending, the lengths do not agree, or it has no <see cref="BaseVersion"/>.
    /// </exception>
    public void AddDelta(
        string name, ReadOnlySpan<long> indices, ReadOnlySpan<float> values,
        ReadOnlySpan<byte> resultSha256)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (BaseVersion is null || Version is null || !IsPartial)
        {
            throw new WeightUpdateException(
                "a delta names its base and its new version (BaseVersion, Version) and IsPartial");
        }
        if (indices.Length != values.Length || resultSha256.Length != 32)
        {
            throw new WeightUpdateException(
                $"'{Shown.Line(name)}' has {indices.Length} indices, {values.Length} values and "
                + $"{resultSha256.Length} bytes of SHA-256 (32 are needed)");
        }
        for (int i = 0; i < indices.Length; i++)
        {
            if (indices[i] < 0 || (i > 0 && indices[i] <= indices[i - 1]))
                throw new WeightUpdateException(
                    $"'{Shown.Line(name)}': indices must ascend from 0; number {i} is {indices[i]}");
        }
        if (_tensors.ContainsKey(name)
            || !_deltas.TryAdd(name, new(indices.ToArray(), values.ToArray(), resultSha256.ToArray())))
        {
            throw new WeightUpdateException($"'{Shown.Line(name)}' is given twice");
        }
    }

    /// <summary>Gives the copies back.</summary>
    public void Dispose()
    {
        foreach (GivenTensor tensor in _tensors.Values)
            tensor.Dispose();
        _owned.ForEach(one => one.Dispose());
        _tensors.Clear();
        _deltas.Clear();
    }

    private static void ThrowIfShape(string name, ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        long count = 1;
        foreach (long length in shape)
        {
            if (length < 1 || count > int.MaxValue * 1024L / length)
                throw new WeightUpdateException(
                    $"'{Shown.Line(name)}' cannot have shape {TensorShape.Show(shape.ToArray())}");
            count *= length;
        }
    }

    private static IEnumerable<SafetensorsFile> InMemory(IReadOnlyList<ReadOnlyMemory<byte>> files)
    {
        for (int i = 0; i < files.Count; i++)
            yield return new($"safetensors file {i} in memory", new MemoryBytes(files[i]));
    }

    /// <summary>Gives an update all tensors of files, which it owns from then on.</summary>
    private static WeightUpdate Of(
        WeightUpdate update, IEnumerable<SafetensorsFile> files, bool lastCounts = false)
    {
        try
        {
            foreach (SafetensorsFile file in files)
            {
                update._owned.Add(file);
                foreach (SafetensorsTensor stored in file.Tensors.Values)
                {
                    if (lastCounts && update._tensors.Remove(stored.Name, out GivenTensor? earlier))
                        earlier.Dispose();
                    update.Add(stored.Name, new GivenTensor(file, stored));
                }
            }
            return update;
        }
        catch
        {
            update.Dispose();
            throw;
        }
    }

    private void Add(string name, GivenTensor tensor)
    {
        if (_deltas.ContainsKey(name) || !_tensors.TryAdd(name, tensor))
            throw new WeightUpdateException($"'{Shown.Line(name)}' is given twice");
    }

    private void Give(
        string name, ReadOnlySpan<long> shape, WeightElement element, ReadOnlySpan<byte> values, long first)
    {
        ThrowIfShape(name, shape);
        long count = values.Length / GivenTensor.BytesOf(element);
        if (!_tensors.TryGetValue(name, out GivenTensor? tensor))
            Add(name, tensor = new GivenTensor(shape.ToArray(), element));
        if (!tensor.Shape.AsSpan().SequenceEqual(shape) || tensor.Element != element)
        {
            throw new WeightUpdateException(
                $"parts of '{Shown.Line(name)}' differ: {tensor.Element} {TensorShape.Show(tensor.Shape)} "
                + $"and {element} {TensorShape.Show(shape.ToArray())}");
        }
        if (first < 0 || count > tensor.Count - first)
        {
            throw new WeightUpdateException(
                $"elements {first} to {first + count} of '{Shown.Line(name)}' lie outside its "
                + $"{tensor.Count}");
        }
        if (!tensor.TryGive(first, count, values))
        {
            throw new WeightUpdateException(
                $"some of elements {first} to {first + count} of '{Shown.Line(name)}' are given twice");
        }
    }
}
