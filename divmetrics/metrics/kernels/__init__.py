"""Metrics of kernel matrices: maximum mean discrepancy, Vendi scores and Renyi entropies."""
