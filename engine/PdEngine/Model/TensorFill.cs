namespace PdEngine;

/// <summary>Supplies a tensor's elements to a writer, front to back, part by part.</summary>
/// <param name="firstElement">Row-major index of the first element wanted.</param>
/// <param name="values">To be filled whole.</param>
internal delegate void TensorFill(long firstElement, Span<float> values);
